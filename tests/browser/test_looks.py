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
# What Django's own form pages draw is Django's to mend; what is ours on them is looked at like everything else.
_BARRED = """async (theirs) => {
  const found = await axe.run(theirs ? { exclude: [theirs] } : document, { resultTypes: ["violations"] });
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
    endpoint: str


@pytest.fixture(scope="session")
def made(stack: RunningStack) -> Made:
    def task(prompt: str) -> str:
        return str(stack.call("POST", "/v1/video/generations", json={"model": "minimax-video", "prompt": prompt}).json()["task_id"])

    def ended(task_id: str) -> bool:
        return stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] in ("completed", "failed")

    wanted = {"name": "batch", "url": "https://hooks.invalid/videos", "event_types": ["video.completed", "task.failed"]}
    endpoint = str(stack.call("POST", "/v1/webhook_endpoints", json=wanted).json()["id"])
    tasks = Made(task("a paper boat sails down a rainy street at dusk"), task("a fish [sandbox: fail=1027]"), endpoint)
    stack.until(lambda: ended(tasks.completed) and ended(tasks.failed))
    return tasks


@pytest.fixture(scope="module", params=THEMES)
def themed(request: pytest.FixtureRequest, browser: Browser, stack: RunningStack) -> Iterator[tuple[str, Page]]:
    """A tab of an administrator who likes that theme, logged in once."""
    context = browser.new_context(color_scheme=request.param, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{stack.url}/admin/login/")
    page.fill("#id_username", "ann")
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")
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
            faults += [f"{width}: {fault}" for fault in page.evaluate(_BARRED, None)]
            faults += [f"{width}: is cut: {element}" for element in page.evaluate(_CUT)]
            _keep_picture(page, path, width, theme)
    assert faults == [], json.dumps(faults, indent=1)
    assert problems == []


def _keep_picture(page: Page, path: str, width: int, theme: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    name = path.replace("{", "").replace("}", "").strip("/").replace("/", "-").replace("?", "-").replace(" ", "-") or "now"
    page.screenshot(path=PICTURES / f"{name}-{width}-{theme}.png", full_page=True)
