"""The list of tasks in a browser: found, followed live, selected, cancelled many at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, log_in
from tests.support.running import RunningStack

MAKE_A_VIEWER = (
    "from django.contrib.auth.models import Group, User; "
    f"User.objects.create_user('viv', password={PASSWORD!r}, is_staff=True).groups.add(Group.objects.get(name='viewer'))"
)


@pytest.fixture
def tasks(logged_in: None, page: Page, problems: list[str], stack: RunningStack) -> Page:
    """The list of tasks, as an administrator sees it."""
    page.goto(f"{stack.url}/admin/tasks/")
    return page


@pytest.fixture(scope="module")
def manage(stack: RunningStack) -> Any:
    """A call of the management API."""
    headers = {"Authorization": f"Bearer {stack.manage('create_management_key', 'browser').strip().splitlines()[-1]}"}

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{stack.url}/v1/admin/{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    return call


@contextmanager
def nothing_is_sent(manage: Any) -> Iterator[None]:
    """What is made meanwhile waits."""
    pause = manage("POST", "pauses", {"kind": "sending"})
    try:
        yield
    finally:
        manage("DELETE", f"pauses/{pause['id']}")


def find(page: Page, text: str) -> None:
    page.fill("#frame-search", text)
    page.press("#frame-search", "Enter")
    page.wait_for_url("**/admin/tasks/?q=*")


def test_a_search_narrows_by_its_parts_by_clicks_and_by_keys(tasks: Page, problems: list[str], stack: RunningStack):
    boat, train = stack.create("a blue boat"), stack.create("a blue train")

    tasks.press("body", "/")
    tasks.keyboard.type("blue boat")
    tasks.keyboard.press("Enter")
    expect(tasks.locator("table.tasks tbody tr")).to_have_count(1)
    tasks.click("[aria-label='Take boat away']")
    expect(tasks.locator("table.tasks tbody tr")).to_have_count(2)
    tasks.click(f"tr[data-task='{train}'] >> text=minimax-video")
    expect(tasks.locator("#frame-search")).to_have_value("blue model:minimax-video")
    tasks.press("body", "j")
    tasks.press("body", "j")
    tasks.keyboard.press("x")
    assert tasks.is_checked(f"tr[data-task='{boat}'] input[type=checkbox]")
    tasks.keyboard.press("Enter")
    tasks.wait_for_url(f"**/admin/tasks/{boat}/")
    assert problems == []


def test_a_row_moves_by_itself_and_newer_tasks_are_announced(tasks: Page, problems: list[str], stack: RunningStack, manage: Any):
    with nothing_is_sent(manage):
        first = stack.create("a green kite")
        stack.until(lambda: stack.call("GET", f"/v1/tasks/{first}").json()["stage"] == "paused")
        tasks.reload()
        row = tasks.locator(f"tr[data-task='{first}']")
        expect(row.locator("[data-words]")).to_contain_text("sending to MiniMax is paused")
        tasks.evaluate("window.stays = true")
        stack.create("a green kite again")
        expect(tasks.locator("#newer-tasks a")).to_have_text("1 newer task")
    expect(row.locator("[data-words]")).to_contain_text("Completed in")
    expect(row.locator("img")).to_have_js_property("naturalWidth", 720)
    assert tasks.evaluate("window.stays")
    assert problems == []


def test_everything_that_matches_is_cancelled_after_the_money_was_said(tasks: Page, problems: list[str], stack: RunningStack, manage: Any):
    with nothing_is_sent(manage):
        made = [stack.create(f"a dull horse {number}") for number in range(4)]
        other = stack.create("a lively horse")
        find(tasks, "dull")
        tasks.check("table.tasks tbody tr:first-child input[type=checkbox]")
        expect(tasks.locator("[data-selected]")).to_have_text("1 selected")
        tasks.check("input[name=all]")
        tasks.click("button:has-text('Cancel…')")
        expect(tasks.locator("#content")).to_contain_text("Cancels 4 tasks for good and gives back 0.1068 USD")
        tasks.click("button:has-text('Cancel 4 tasks')")
        tasks.wait_for_url("**/admin/tasks/runs/*/")
        expect(tasks.locator("#run")).to_have_attribute("data-state", "done")
        expect(tasks.locator(".numbers")).to_contain_text("4 done")
        expect(tasks.locator("table.outcomes tbody tr")).to_have_count(4)
        statuses = {one: stack.call("GET", f"/v1/tasks/{one}").json()["status"] for one in (*made, other)}
        assert statuses == dict.fromkeys(made, "cancelled") | {other: "queued"}
    assert problems == []


def test_a_run_is_stopped(tasks: Page, problems: list[str], stack: RunningStack, manage: Any):
    with nothing_is_sent(manage):
        made = stack.create("a slow snail")
        worker = stack.pid("worker")
        assert worker
        os.kill(worker, signal.SIGSTOP)  # so that the run stays where it is
        try:
            find(tasks, "snail")
            tasks.check("[data-select-page]")
            tasks.click("button:has-text('Cancel…')")
            tasks.click("button:has-text('Cancel 1 task')")
            tasks.click("button:has-text('Stop this run')")
            expect(tasks.locator("#content")).to_contain_text("stopped")
            expect(tasks.locator("#run")).to_have_attribute("data-state", "stopped")
        finally:
            os.kill(worker, signal.SIGCONT)
        assert stack.call("GET", f"/v1/tasks/{made}").json()["status"] == "queued"
    assert problems == []


def test_a_viewer_sees_no_button(page: Page, problems: list[str], stack: RunningStack):
    stack.create("a quiet lake")
    stack.manage("shell", "-c", MAKE_A_VIEWER)

    log_in(page, stack, "viv")
    page.goto(f"{stack.url}/admin/tasks/")

    expect(page.locator("table.tasks tbody tr").first).to_be_visible()
    assert page.locator("text=Cancel…").count() == 0
    assert problems == []
    assert page.goto(f"{stack.url}/admin/tasks/act/?do=cancel&all=1").status == 403  # type: ignore[union-attr]
