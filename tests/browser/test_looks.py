"""Every page of the console's own: nothing is cut, nothing serious bars anybody (axe), the browser has nothing to complain of.

At each of three widths in one of two themes, and in `make soak` in both. `PICTURES=1` keeps a picture of each width and theme in
`.pictures/` beside the repository's files, to be looked at.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE_MS, watched
from tests.browser.looking import WANTED, barred, by_colour, cut, keep_picture, laid_out, load_axe, show
from tests.support.running import RunningStack

WIDTHS = (1440, 1024, 390)  # a desk, a small laptop or tablet, a phone
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
Look = tuple[Literal["light", "dark"], int]
EVERY_LOOK: list[Look] = list(product(THEMES, WIDTHS))


@dataclass(frozen=True)
class Made:
    """Tasks for the pages to show."""

    completed: str
    failed: str
    lost: str  # under way; nobody knows whether MiniMax took its order
    endpoint: str
    run: str  # that retried a failed one


@pytest.fixture(scope="module")
def tab(browser: Browser, session_of_ann: list[Any]) -> Iterator[Page]:
    """An administrator's."""
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    context.add_cookies(session_of_ann)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def made(stack: RunningStack, tab: Page) -> Iterator[Made]:
    def ended(task_id: str) -> bool:
        return stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] in ("completed", "failed")

    wanted = {"name": "batch", "url": "https://hooks.invalid/videos", "event_types": ["video.completed", "task.failed"]}
    endpoint = str(stack.call("POST", "/v1/webhook_endpoints", json=wanted).json()["id"])
    completed, failed = stack.create("a paper boat sails down a rainy street at dusk"), stack.create("a fish [sandbox: fail=1027]")
    lost = stack.create("a lost dog [sandbox: create lost]")
    stack.until(lambda: ended(completed) and ended(failed))
    stack.until(lambda: stack.call("GET", f"/v1/tasks/{lost}").json()["stage"] == "reconciling")
    yield Made(completed, failed, lost, endpoint, _run(tab, stack, failed))
    stack.call("DELETE", f"/v1/video/generations/{lost}")


def _run(page: Page, stack: RunningStack, failed: str) -> str:
    """The number of a run that retries that task."""
    page.goto(f"{stack.url}/admin/tasks/act/?do=retry&task={failed}")
    page.get_by_role("button", name="Retry 1 task").click()
    page.wait_for_url("**/admin/tasks/runs/*/")
    return page.url.rstrip("/").rpartition("/")[2]


PAGES = [
    "",
    "tasks/",
    "tasks/?q=status:failed -boat",
    "tasks/act/?do=retry&all=1",
    "tasks/runs/",
    "webhooks/",
    "webhooks/add/",
    "webhooks/mails/",
    "webhooks/{endpoint}/",
    "webhooks/{endpoint}/rotate/",
    "webhooks/{endpoint}/delete/",
    "tasks/{completed}/",
    "tasks/{completed}/webhooks/",
    "tasks/{failed}/",
    "audit/",
    "keys/",
    "keys/teams/",
    "keys/disable/?key=1",
    "keys/virtualkey/1/rotate/",
    "keys/1/client-tokens/",
    "keys/1/webhook-secret/",
    "processes/",
    "doctor/",
    "minimax/calls/",
    "streams/",
    "?span=24h",
    "money/",
    "money/?by=key",
    "money/bill/",
    "models/",
    "models/1/margins/",
    "audit/?did=create&q=no-such-word",
    "settings/",
    "second-factor/",
    "tasks/runs/{run}/",
    "money/lost/",
    # They ask first.
    "tasks/act/?do=cancel&task={lost}",
    "tasks/{lost}/cancel/",
    "tasks/{lost}/reconcile/",
    "tasks/{failed}/retry/",
    "tasks/{completed}/delete-media/",
    "tasks/pause/add/?kind=sending",
    "keys/enable/?key=1",
    "processes/drain/?process=x",
    "webhooks/{endpoint}/again/",
    "webhooks/{endpoint}/change/",
    # Django's, mended.
    "auth/user/1/change/",
    "auth/group/add/",
    "auth/group/1/change/",
]


def looks_of(path: str) -> list[Look]:
    """Each width, and from one to the next the other theme: half of the pages begin with the dark one."""
    first = PAGES.index(path) % 2
    return [(THEMES[(first + number) % 2], width) for number, width in enumerate(WIDTHS)]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_reads_well_at_every_width(tab: Page, stack: RunningStack, made: Made, path: str):
    look_at(tab, stack, made, path, EVERY_LOOK if WANTED else looks_of(path))


@pytest.mark.soak
@pytest.mark.parametrize("path", PAGES)
def test_a_page_reads_well_at_every_width_and_theme(tab: Page, stack: RunningStack, made: Made, path: str):
    look_at(tab, stack, made, path, EVERY_LOOK)


def look_at(tab: Page, stack: RunningStack, made: Made, path: str, looks: Sequence[Look]) -> None:
    """Loaded once, its window made narrower and its theme changed: loading anew for each would take most of the time."""
    faults = []
    with watched(tab) as problems:
        show(tab, width=looks[0][1], theme=looks[0][0])
        tab.goto(f"{stack.url}/admin/{path.format(**vars(made))}", wait_until="load")
        load_axe(tab)
        judged: set[str] = set()  # by all rules, laid out so
        for theme, width in looks:
            show(tab, width=width, theme=theme)
            layout = laid_out(tab)
            faults += [f"{width} {theme}: {fault}" for fault in barred(tab, by_colour(tab) if layout in judged else None)]
            judged.add(layout)
            faults += [f"{width} {theme}: is cut: {element}" for element in cut(tab)]
            keep_picture(tab, f"{_name(path)}-{width}-{theme}.jpg")
    assert faults == [], json.dumps(faults, indent=1)
    assert problems == []


def _name(path: str) -> str:
    return path.replace("{", "").replace("}", "").strip("/").replace("/", "-").replace("?", "-").replace(" ", "-") or "now"
