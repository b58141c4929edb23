"""The way through the console, by what people do there and not by app."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from conduit.console.pages import may


@dataclass(frozen=True)
class Place:
    """An entry of the navigation. It is shown to people who have one of the rights, and is where one is below any of the paths."""

    label: str
    key: str  # after `g`
    name: str
    rights: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    at: str = ""  # a path that is this place's own, and whose others need not be

    def is_here(self, path: str) -> bool:
        """Whether the page at that path of the console, such as `tasks/`, is one of this place's."""
        return bool(path and path == self.at) or any(path.startswith(start) if start else not path for start in self.below)


# Pages of one key, beside its form, begin with its id.
_OF_KEYS = ("keys/virtualkey/", "keys/team", "keys/disable/", "keys/enable/", *(f"keys/{digit}" for digit in range(1, 10)))
PLACES = (
    Place("Now", "n", "index", (), ("", "minimax/", "streams/", "doctor/", "processes/")),
    Place("Tasks", "t", "tasks", ("tasks.view_task",), ("tasks/", "videos/video/")),
    Place("Keys", "k", "keys", ("keys.view_virtualkey",), _OF_KEYS, "keys/"),
    Place("Money", "m", "money", ("keys.view_usagecost",), ("money/", "keys/usagecost/", "keys/budget")),
    Place(
        "Models",
        "o",
        "models",
        ("videos.view_videomodel",),
        ("models/", "videos/videomodel/", "videos/blockedterm/", "videos/provideraccount/"),
    ),
    Place("Webhooks", "w", "webhooks", ("notifications.view_endpoint",), ("webhooks/",)),
    Place("Audit", "a", "audit", ("keys.view_auditentry",), ("audit/",)),
    Place(
        "Settings", "s", "settings", (), ("settings/", "auth/", "security/", "keys/managementkey/", "password_change/", "second-factor/")
    ),
)


def navigation(request: HttpRequest) -> Iterator[dict[str, str | bool]]:
    """Label, key, address and whether one is there, of each place that the account may see."""
    path = request.path.removeprefix(reverse("admin:index"))
    for place in PLACES:
        if may(request, *place.rights):
            yield {"label": place.label, "key": place.key, "address": reverse(f"admin:{place.name}"), "here": place.is_here(path)}
