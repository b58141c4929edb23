"""The admin site."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from videos.health import waiting_for_operator
from videos.stages import OPERATOR_HAS_TO, Stage


class ConsoleSite(admin.AdminSite):
    site_header = "Conduit"
    site_title = "Conduit"
    index_title = "Console"
    site_url = None  # there is no page but this one

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Every page says when videos come from the sandbox, and what waits for an operator."""
        context = super().each_context(request)
        context["minimax_sandbox"] = settings.MINIMAX_SANDBOX
        waiting = waiting_for_operator() if request.user.is_staff else {}
        context["waiting_for_operator"] = [
            (count, OPERATOR_HAS_TO[Stage(stage)], f"{reverse('admin:tasks_task_changelist')}?stage__exact={stage}")
            for stage, count in waiting.items()
        ]
        return context
