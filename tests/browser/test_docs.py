"""/docs under the strict policy: Swagger's page opens, and a call is tried from it."""

from playwright.sync_api import Page

from tests.browser.looking import keep_picture
from tests.support.running import RunningStack


def test_the_page_of_the_api_opens_and_a_call_is_tried_from_it(page: Page, problems: list[str], stack: RunningStack):
    page.goto(f"{stack.url}/docs")
    page.wait_for_selector("#operations-Key-get_v1_key")
    page.wait_for_function("document.querySelectorAll('.opblock').length > 60")

    page.click("button.authorize")
    page.locator(".auth-container", has_text="key").first.locator("input").fill(stack.secret)
    page.locator(".auth-container").first.locator("button[type=submit]").click()
    page.click(".btn-done")
    page.click("#operations-Key-get_v1_key .opblock-summary-control")
    page.click("#operations-Key-get_v1_key .try-out__btn")
    page.click("#operations-Key-get_v1_key .execute")
    page.wait_for_selector("#operations-Key-get_v1_key .live-responses-table .response-col_status")
    assert page.inner_text("#operations-Key-get_v1_key .live-responses-table tbody .response-col_status").startswith("200")

    for width in (1440, 390):
        keep_picture(page, f"docs-{width}.png", width=width, full_page=False)
    page.emulate_media(color_scheme="dark")
    keep_picture(page, "docs-dark.png", full_page=False)
    assert problems == []
