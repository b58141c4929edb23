"""Every path, by room."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from conduit import health
from conduit.api.views import unknown_path

urlpatterns = [
    path("", include("keys.urls")),
    path("", include("tasks.urls")),
    path("", include("videos.urls")),
    path("health", health.whole),
    path("health/ready", health.ready),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    re_path("", unknown_path),
]

handler404 = "conduit.api.views.not_found"
handler400 = "conduit.api.views.bad_request"
handler500 = "conduit.api.views.server_error"
