"""Keys in the console, as somebody at a browser makes, rotates and switches them."""

import shlex
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.support.running import RunningStack


@pytest.fixture
def console(logged_in: None, page: Page, problems: list[str], stack: RunningStack) -> Page:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{stack.url}/admin/keys/")
    return page


def called(line: str) -> str:
    """What the call on the page answers, as it stands."""
    return subprocess.run(shlex.split(line), capture_output=True, text=True, check=True, timeout=90).stdout


def test_a_key_is_made_copied_called_with_rotated_and_switched_off(console: Page, problems: list[str], stack: RunningStack):
    console.click("text='Add a key'")
    console.fill("#id_name", "cutting room")
    console.check("text='video-01 (also minimax-video)'")
    console.click("[name=_save]")
    console.wait_for_url("**/secret/**")
    secret = console.input_value("#secret")
    console.reload()
    assert console.input_value("#secret") == secret
    console.click("[aria-label='Copy the secret']")
    assert console.evaluate("navigator.clipboard.readText()") == secret
    assert '"name":"cutting room"' in called(console.input_value("#curl")).replace('": "', '":"')

    console.click("text='Go on to cutting room'")
    console.click("text='Rotate…'")
    console.click("text='Rotate: the old one ends now'")
    console.wait_for_url("**/secret/**")
    new = console.input_value("#secret")
    console.reload()
    assert secret != console.input_value("#secret") == new
    assert "api_key_expired" in called(f"curl -s {stack.url}/v1/key -H 'X-API-Key: {secret}'")

    console.click(".places >> text='Keys'")
    console.check("[aria-label='Choose cutting room']")
    console.click("text='Disable…'")
    expect(console.locator("#content")).to_contain_text("1 key will be refused from the next call on")
    console.click("text='Disable 1 key'")
    expect(console.locator(".messagelist .success")).to_contain_text("Disabled 1 key: cutting room.")
    assert "api_key_disabled" in called(f"curl -s {stack.url}/v1/key -H 'X-API-Key: {new}'")
    assert problems == []


def test_what_a_key_spent_this_month_is_three_clicks_away(console: Page, problems: list[str], stack: RunningStack):
    task_id = stack.create("a kite")
    stack.until(lambda: stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] == "completed")
    console.goto(f"{stack.url}/admin/")

    console.click(".places >> text='Keys'")
    row = console.locator("tbody tr").last
    stack.until(lambda: bool(console.reload()) and not row.locator("td.number").first.inner_text().startswith("0.0000"))
    row.locator("td.number a").first.click()

    expect(console.locator("h1")).to_have_text("Money")
    assert console.locator("tfoot td.number").nth(1).inner_text().endswith("USD")
    assert problems == []
