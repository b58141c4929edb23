"""The console in a browser: every page is whole, and the browser has nothing to complain of."""

import pytest
from playwright.sync_api import Page

from tests.support.running import RunningStack


@pytest.fixture(scope="session")
def completed(stack: RunningStack) -> str:
    """A task that the console can show, with its video."""
    task_id = stack.create("a kite")
    stack.until(lambda: stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] == "completed")
    return task_id


@pytest.fixture
def admin(logged_in: None, page: Page, problems: list[str], stack: RunningStack) -> Page:
    """The console's first page."""
    page.goto(f"{stack.url}/admin")
    page.wait_for_url("**/admin/")
    return page


def test_a_wrong_password_is_told_on_the_login_page(page: Page, problems: list[str], stack: RunningStack):
    page.goto(f"{stack.url}/admin/")
    page.fill("#id_username", "ann")
    page.fill("#id_password", "a guess")
    page.click("[type=submit]")

    assert "Please enter the correct username and password" in page.inner_text(".errornote")
    assert problems == []


def test_no_page_of_the_console_is_wider_than_the_window(admin: Page, completed: str):
    console = admin.url
    paths = ["keys/virtualkey/add/", f"tasks/{completed}/", "videos/video/"]

    for path in paths:
        admin.goto(console + path)
        assert admin.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, path


def test_a_row_opens_from_its_list(admin: Page, problems: list[str], completed: str):
    admin.goto(f"{admin.url}keys/virtualkey/")
    admin.click("#result_list tbody th a")
    admin.wait_for_url("**/change/")

    assert admin.is_visible("#content-main fieldset")
    assert problems == []
