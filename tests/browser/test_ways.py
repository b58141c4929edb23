"""What people come to the console for, in at most three clicks from its first page; and how everything is stopped and goes on."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.running import RunningStack


@pytest.fixture
def now(logged_in: None, page: Page, problems: list[str], stack: RunningStack) -> Page:
    page.goto(f"{stack.url}/admin/")
    return page


def read(stack: RunningStack, task_id: str) -> Any:
    return stack.call("GET", f"/v1/tasks/{task_id}").json()


def test_what_runs_now_is_on_the_first_page_and_all_of_it_a_click_away(now: Page, problems: list[str], stack: RunningStack):
    task_id = stack.create("a kite on its way [sandbox: stuck]")
    row = now.locator(f"tr[data-task='{task_id}']")
    expect(row).to_be_visible()

    row.locator("a").first.click()

    now.wait_for_url(f"**/admin/tasks/{task_id}/")
    stack.call("DELETE", f"/v1/video/generations/{task_id}")
    assert problems == []


def test_why_a_task_failed_at_minimax_is_two_clicks_away(now: Page, problems: list[str], stack: RunningStack):
    task_id = stack.create("a fish for the ways [sandbox: fail=1027]")
    stack.until(lambda: read(stack, task_id)["status"] == "failed")
    cause = now.get_by_role("link", name="content_policy_violation").first
    expect(cause).to_be_visible()

    cause.click()
    now.get_by_role("link", name="a fish for the ways").first.click()

    now.wait_for_url(f"**/admin/tasks/{task_id}/")
    expect(now.locator("main")).to_contain_text("1027")
    assert problems == []


def test_what_a_key_spent_this_month_is_one_click_away(now: Page, problems: list[str], stack: RunningStack):
    now.get_by_role("link", name="Keys", exact=True).click()

    spent = now.locator("table.list tbody tr").filter(has_text="USD").first
    expect(spent).to_contain_text("USD")
    expect(now.locator("thead")).to_contain_text("Spent this month")
    assert problems == []


def test_sending_is_stopped_in_two_clicks_a_task_waits_for_it_and_goes_on_afterwards(now: Page, problems: list[str], stack: RunningStack):
    now.locator("#steering-sending").get_by_role("link", name="Pause…").click()
    expect(now.locator("main")).to_contain_text("no new job is sent")
    now.fill("#id_reason", "MiniMax asked us to")
    now.get_by_role("button", name="Pause").click()
    try:
        task_id = stack.create("a task that waits for the pause")
        stack.until(lambda: read(stack, task_id)["waiting_for"] == "pause")
        now.goto(f"{stack.url}/admin/tasks/{task_id}/")
        expect(now.locator("main")).to_contain_text("pause", ignore_case=True)
        assert read(stack, task_id)["eta_seconds"] is None

        now.get_by_role("link", name="Now", exact=True).click()
        expect(now.locator("#steering-sending")).to_contain_text("MiniMax asked us to")
        now.locator("#steering-sending").get_by_role("link", name="Resume…").click()
        expect(now.locator("main")).to_contain_text("1 task waits for this to end")
    finally:
        now.get_by_role("button", name="Resume").click()
    stack.until(lambda: read(stack, task_id)["status"] == "completed")
    assert problems == []
