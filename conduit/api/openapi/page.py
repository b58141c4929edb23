"""The page at `/docs`."""

from typing import Any

from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny


class DocsView(SpectacularSwaggerSplitView):
    """Swagger's page of it, in two parts: nothing stands in the page itself that our policy would not run."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    template_name, template_name_js = "api/docs.html", "api/docs.js"
