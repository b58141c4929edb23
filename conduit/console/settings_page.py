"""Settings: what is rarely changed, and the tables behind the other pages."""

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit.console.pages import page, render


@page("settings/", name="settings")
def settings_page(request: HttpRequest) -> HttpResponseBase:
    return render(request, "console/settings.html", {"app_list": admin.site.get_app_list(request)}, title="Settings")
