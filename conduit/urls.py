"""Every path, by room."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from conduit import doctor_api, health, hosts_api, scraping
from conduit.api.openapi import served
from conduit.api.views import unknown_path
from conduit.console.playground.views import front

urlpatterns = [
    path("", include("keys.urls")),
    path("", include("tasks.notifications.urls")),
    path("", include("tasks.urls")),
    path("", include("videos.urls")),
    path("health", health.whole),
    path("health/ready", health.ready),
    path("openapi.json", served.openapi),
    path("docs", served.docs),
    path("metrics", scraping.metrics),
    path("v1/admin/hosts", hosts_api.HostsView.as_view()),
    path("v1/admin/hosts/<str:host>/drain", hosts_api.DrainView.as_view()),
    path("v1/admin/doctor", doctor_api.DoctorView.as_view()),
    path("", front),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    re_path("", unknown_path),
]

handler400 = "conduit.api.views.bad_request"
handler403 = "conduit.console.errors.forbidden"
handler404 = "conduit.console.errors.not_found"
handler500 = "conduit.console.errors.server_error"
