"""A price that is changed in the console is found in the audit, with and without script."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE_MS, log_in, watched
from tests.browser.looking import keep_picture
from tests.support.running import RunningStack


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def ann(request: pytest.FixtureRequest, browser: Browser, stack: RunningStack) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=request.param, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    with watched(page) as problems:
        log_in(page, stack, "ann")
        yield page
    context.close()
    assert problems == []


def test_a_price_that_is_changed_in_the_console_is_found_in_the_audit(ann: Page, stack: RunningStack):
    ann.goto(f"{stack.url}/admin/videos/videomodel/4/change/")
    before = ann.input_value("[name=base_price]")
    after = f"{float(before) + 0.01:.4f}"
    ann.fill("[name=base_price]", after)
    ann.click("input[name=_save]")
    ann.locator("#content button:has-text('Save')").first.click()  # on the page that shows what it brings
    ann.wait_for_url("**/videomodel/")
    ann.click(".places >> text=Audit")

    newest = ann.locator("table.audit tbody tr").first
    assert newest.locator(".who").inner_text() == "ann"
    assert "changed video model" in newest.locator(".what").inner_text()
    assert newest.locator(".changes").inner_text().split() == ["base", "price", before, "→", "became", after]
    name = newest.locator(".target").inner_text()

    newest.locator(".history").click()
    ann.wait_for_url("**/audit/?target=*")
    assert ann.locator(".chip").count() == 1
    assert set(ann.locator("table.audit .target").all_inner_texts()) == {name}
    ann.fill("#audit-q", after)
    ann.click(".audit-search button")
    ann.wait_for_url("**/audit/?q=*")
    assert ann.locator("table.audit tbody tr").count() >= 1
    for width in (1440, 390):
        keep_picture(ann, f"audit-found-{width}.png", width=width)
    ann.locator("table.audit .target").first.click()
    ann.wait_for_url("**/admin/videos/videomodel/4/change/")
