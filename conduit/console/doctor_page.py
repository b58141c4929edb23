"""The doctor, asked from the console."""

import threading
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit.console.pages import page, render
from conduit.doctor import registry
from keys import audit

RIGHT = "tasks.pause_work"
# It calls MiniMax, the storage and the way in: one run at a time is enough for a process.
_asking = threading.Lock()


@page("doctor/", name="doctor", rights=RIGHT)
def doctor_page(request: HttpRequest) -> HttpResponseBase:
    """What is well and what is not, found out when somebody asks: it takes some seconds."""
    context: dict[str, Any] = {"left_out": [question.name for question in registry.questions() if question.takes_long]}
    if request.method == "POST":
        if _asking.acquire(blocking=False):
            try:
                with transaction.atomic():
                    audit.record(action="ask", target="doctor")
                context["found"] = sorted(registry.asked(takes_long=False), key=lambda one: -(one[1].severity or 0))
            finally:
                _asking.release()
        else:
            context["is_busy"] = True
    return render(request, "console/doctor.html", context, title="Doctor")
