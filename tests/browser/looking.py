"""How a page is looked at: for what bars anybody (axe), for what is cut, and in pictures for people."""

import os
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

from tests.browser.serving import MODULES

PICTURES = Path(__file__).parents[2] / ".pictures"
# Tests judge without them, so they are taken for whoever asks: `PICTURES=1 make test-browser`.
WANTED = os.environ.get("PICTURES") == "1"

_AXE = (MODULES / "axe-core" / "axe.min.js").read_text()
# Rules that cannot find anything serious are not asked: `region` and its like take a fifth of the time, and what they say was left out.
# Which those are says axe's own table: neither the rule nor any of its checks calls itself serious or critical.
# Without its look at style sheets, which needs inline styles, and which none of these rules needs.
_BARRED = """async (ids) => {
  const bad = (impact) => !["minor", "moderate"].includes(impact);
  const grave = (rule) => bad(rule.impact) ||
    [...rule.any, ...rule.all, ...rule.none].some((check) => bad(axe._audit.data.checks[check.id ?? check]?.impact));
  const rules = Object.fromEntries(axe._audit.rules.filter((rule) => !grave(rule)).map((rule) => [rule.id, { enabled: false }]));
  const found = await axe.run(document, {
    resultTypes: ["violations"], preload: false, ...(ids ? { runOnly: { type: "rule", values: ids } } : { rules }),
  });
  return found.violations
    .filter((rule) => ["serious", "critical"].includes(rule.impact))
    .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")} (${rule.help})`));
}"""
_BY_COLOUR = """() => axe.getRules(["cat.color"]).map((rule) => rule.ruleId).filter(
  (id) => axe._audit.rules.find((rule) => rule.id === id).enabled)"""
_CUT = """() => [...document.querySelectorAll("body *")]
  .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter((element) => !element.closest(".wide, .results, .tabular, .places, .cut, pre, .heard, .visually-hidden"))
  .map((element) => element.outerHTML.slice(0, 120))
  .concat(document.documentElement.scrollWidth > document.documentElement.clientWidth + 1 ? ["the page, which moves sideways"] : [])"""
# All that rules other than those by colour go by: the document, and of each element whether it is seen, and where.
_LAID_OUT = """() => document.documentElement.outerHTML + [...document.querySelectorAll("*")].map((element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  const { overflowX, overflowY, clip, clipPath, position } = getComputedStyle(element);
  return [x, y, width, height, element.scrollWidth, element.scrollHeight, overflowX, overflowY, clip, clipPath, position,
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }), element.value].join();
}).join("\\n")"""
# Links take 0.15 s to their new colour, which reads badly on the way there.
_DRAWN = """async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const under_way = () => document.getAnimations().filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime));
  await drawn();
  while (under_way().length) {
    under_way().forEach((one) => one.finish());
    await drawn();
  }
}"""


def load_axe(page: Page) -> None:
    page.evaluate(_AXE + "; undefined")


def barred(page: Page, rules: list[str] | None = None) -> list[str]:
    """What is serious or critical, by all rules or by these alone."""
    found: list[str] = page.evaluate(_BARRED, rules)
    return found


def by_colour(page: Page) -> list[str]:
    """The rules that go by colours."""
    rules: list[str] = page.evaluate(_BY_COLOUR)
    return rules


def cut(page: Page) -> list[str]:
    """What does not fit into the window's width."""
    found: list[str] = page.evaluate(_CUT)
    return found


def laid_out(page: Page) -> str:
    """The page but for its colours: where two of these are the same, only rules that go by colours can find something else."""
    layout: str = page.evaluate(_LAID_OUT)
    return layout


def show(page: Page, *, width: int, theme: Literal["light", "dark"]) -> None:
    """In a window of that width and in that theme, drawn to its end."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)
    page.evaluate(_DRAWN)


def keep_picture(page: Page, name: str, *, width: int | None = None, full_page: bool = True) -> None:
    """In `.pictures/`, when they are wanted, with a window of that width meanwhile."""
    if not WANTED:
        return
    PICTURES.mkdir(exist_ok=True)
    before = page.viewport_size
    if width:
        page.set_viewport_size({"width": width, "height": 900})
    page.screenshot(path=PICTURES / name, full_page=full_page)
    if before:
        page.set_viewport_size(before)
