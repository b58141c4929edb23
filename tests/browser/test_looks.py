"""Every page of the console's own: nothing is cut, nothing serious bars anybody (axe), the browser has nothing to complain of.

At three widths and in two themes. A picture of each is kept in `.pictures/` beside the repository's files, to be looked at.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PASSWORD, PATIENCE_MS, watched
from tests.browser.serving import MODULES
from tests.support.running import RunningStack

WIDTHS = (1440, 1024, 390)  # a desk, a small laptop or tablet, a phone
THEMES = ("light", "dark")
PICTURES = Path(__file__).parents[2] / ".pictures"
AXE = (MODULES / "axe-core" / "axe.min.js").read_text()
# Without its look at style sheets, which needs inline styles, and which none of these rules needs.
_BARRED = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"], preload: false });
  return found.violations
    .filter((rule) => ["serious", "critical"].includes(rule.impact))
    .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")} (${rule.help})`));
}"""
_DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_CUT = """() => [...document.querySelectorAll("body *")]
  .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter((element) => !element.closest(".wide, .results, .tabular, .places, .cut, pre, .heard, .visually-hidden"))
  .map((element) => element.outerHTML.slice(0, 120))
  .concat(document.documentElement.scrollWidth > document.documentElement.clientWidth + 1 ? ["the page, which moves sideways"] : [])"""


@dataclass(frozen=True)
class Made:
    """Tasks for the pages to show."""

    completed: str
    failed: str
    lost: str  # under way; nobody knows whether MiniMax took its order
    endpoint: str
    run: str  # that retried a failed one


@pytest.fixture(scope="module")
def made(stack: RunningStack, browser: Browser) -> Iterator[Made]:
    def task(prompt: str) -> str:
        return str(stack.call("POST", "/v1/video/generations", json={"model": "minimax-video", "prompt": prompt}).json()["task_id"])

    def ended(task_id: str) -> bool:
        return stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] in ("completed", "failed")

    wanted = {"name": "batch", "url": "https://hooks.invalid/videos", "event_types": ["video.completed", "task.failed"]}
    endpoint = str(stack.call("POST", "/v1/webhook_endpoints", json=wanted).json()["id"])
    completed, failed = task("a paper boat sails down a rainy street at dusk"), task("a fish [sandbox: fail=1027]")
    lost = task("a lost dog [sandbox: create lost]")
    stack.until(lambda: ended(completed) and ended(failed))
    stack.until(lambda: stack.call("GET", f"/v1/tasks/{lost}").json()["stage"] == "reconciling")
    yield Made(completed, failed, lost, endpoint, _run(browser, stack, failed))
    stack.call("DELETE", f"/v1/video/generations/{lost}")


def _run(browser: Browser, stack: RunningStack, failed: str) -> str:
    """The number of a run that retries that task."""
    page = browser.new_page()
    _log_in(page, stack)
    page.goto(f"{stack.url}/admin/tasks/act/?do=retry&task={failed}")
    page.get_by_role("button", name="Retry 1 task").click()
    page.wait_for_url("**/admin/tasks/runs/*/")
    number = page.url.rstrip("/").rpartition("/")[2]
    page.close()
    return number


def _log_in(page: Page, stack: RunningStack) -> None:
    page.goto(f"{stack.url}/admin/login/")
    page.fill("#id_username", "ann")
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")


@pytest.fixture(scope="module", params=THEMES)
def themed(request: pytest.FixtureRequest, browser: Browser, stack: RunningStack) -> Iterator[tuple[str, Page]]:
    """A tab of an administrator who likes that theme, logged in once."""
    context = browser.new_context(color_scheme=request.param, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    _log_in(page, stack)
    yield request.param, page
    context.close()


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


@pytest.mark.parametrize("path", PAGES)
def test_a_page_reads_well_at_every_width_and_theme(themed: tuple[str, Page], stack: RunningStack, made: Made, path: str):
    theme, page = themed
    address = path.format(**vars(made))
    faults = []
    with watched(page) as problems:
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.goto(f"{stack.url}/admin/{address}", wait_until="load")
        page.evaluate(AXE + "; undefined")
        for width in WIDTHS:  # as a window that is made narrower: loading anew for each would take most of the time
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(_DRAWN)
            faults += [f"{width}: {fault}" for fault in page.evaluate(_BARRED)]
            faults += [f"{width}: is cut: {element}" for element in page.evaluate(_CUT)]
            _keep_picture(page, path, width, theme)
    assert faults == [], json.dumps(faults, indent=1)
    assert problems == []


def _keep_picture(page: Page, path: str, width: int, theme: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    name = path.replace("{", "").replace("}", "").strip("/").replace("/", "-").replace("?", "-").replace(" ", "-") or "now"
    page.screenshot(path=PICTURES / f"{name}-{width}-{theme}.jpg", type="jpeg", quality=80, full_page=True)
