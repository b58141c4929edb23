"""The page of a task in a browser: watched while it runs, cancelled, retried, played, made again from a shell."""

import os
import subprocess
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD, PATIENCE_MS, log_in
from tests.support.running import RunningStack

# MiniMax refuses what is asked for so.
REFUSED = "somebody famous [sandbox: create status=1026 times=always]"


@pytest.fixture
def admin(logged_in: None, page: Page, problems: list[str]) -> Page:
    """An administrator's tab."""
    return page


def complaints(problems: list[str]) -> list[str]:
    """Without what a page that was left had just asked for."""
    return [problem for problem in problems if "ERR_ABORTED" not in problem]


@pytest.fixture
def until(stack: RunningStack) -> Callable[[str, str], None]:
    def wait(task_id: str, status: str) -> None:
        stack.until(lambda: stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] == status)

    return wait


# Where a video stands that has played for a while, and one that plays on from two seconds before its end.
_PLAYED = """() => new Promise((done) => {
  const video = document.querySelector("video");
  video.muted = true;
  video.ontimeupdate = () => video.currentTime > 0.5 && done(video.currentTime);
  video.play();
})"""
_SOUGHT = """() => new Promise((done) => {
  const video = document.querySelector("video");
  video.onseeked = () => (video.ontimeupdate = () => done(video.currentTime));
  video.currentTime = video.duration - 2;
})"""


def test_a_task_is_watched_to_its_end_and_its_video_plays(admin: Page, problems: list[str], stack: RunningStack):
    task_id = stack.create("a paper boat [sandbox: query slow=1 times=2]", duration=6)
    admin.goto(f"{stack.url}/admin/tasks/{task_id}/")
    admin.evaluate("window.loaded = true")
    admin.click("#task-exchanges > summary")
    admin.focus("#task-developers > summary")

    admin.wait_for_selector("video")

    expect(admin.locator(".task-status")).to_contain_text("completed")
    expect(admin.locator("[data-part=life]")).to_contain_text("Stored")
    expect(admin.locator("[data-part=money]")).to_contain_text("The rows add up")
    expect(admin.locator("#announcements")).to_have_text("This task is completed")
    assert admin.evaluate("[window.loaded, document.querySelector('#task-exchanges').open, document.activeElement.parentElement.id]") == [
        True, True, "task-developers",
    ]  # fmt: skip
    assert admin.evaluate(_PLAYED) > 0.5
    # It is sought in, which takes byte ranges.
    assert admin.evaluate(_SOUGHT) > 4
    assert complaints(problems) == []


def test_a_task_is_cancelled_from_its_page(admin: Page, problems: list[str], stack: RunningStack):
    task_id = stack.create("a slow one [sandbox: create stuck]")
    admin.goto(f"{stack.url}/admin/tasks/{task_id}/")

    admin.click("text='Cancel…'")
    expect(admin.locator("#content")).to_contain_text("is held for it: as it stands now")
    admin.dblclick("text='Cancel this task'")

    admin.wait_for_url(f"**/admin/tasks/{task_id}/")
    expect(admin.locator(".task-status")).to_contain_text("cancelled")
    assert stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] == "cancelled"
    assert complaints(problems) == []


def test_why_a_task_failed_at_minimax_is_two_clicks_away_and_it_is_retried(
    admin: Page, problems: list[str], stack: RunningStack, until: Callable[[str, str], None]
):
    task_id = stack.create(REFUSED)
    until(task_id, "failed")
    admin.goto(f"{stack.url}/admin/")
    admin.click("nav >> text='Tasks'")
    admin.locator(f'#content a[href*="{task_id}"]').first.click()
    expect(admin.locator("[data-part=problem]")).to_contain_text("MiniMax answered 1026")

    admin.click("text='Retry…'")
    expect(admin.locator("#content")).to_contain_text("pays today's price: 0.0267 USD")
    admin.click("text='Retry for 0.0267 USD'")

    admin.wait_for_url(lambda address: "/admin/tasks/" in address and task_id not in address)
    expect(admin.locator(".task-head")).to_contain_text("It retries")
    admin.click("text='the original'")
    expect(admin.locator(".task-head")).to_contain_text("Retried as")
    assert complaints(problems) == []


def test_copy_as_curl_makes_it_again_when_it_is_pasted_into_a_shell(admin: Page, problems: list[str], stack: RunningStack):
    prompt = """it's "quoted" $HOME `id` !! \\ é 🚀
    and a second line"""
    task_id = stack.create(prompt)
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    admin.goto(f"{stack.url}/admin/tasks/{task_id}/")

    admin.click("text='Copy as curl'")
    expect(admin.locator("#announcements")).to_have_text("Copied")
    copied = admin.evaluate("navigator.clipboard.readText()")

    assert stack.secret not in copied
    environment = {"PATH": os.environ["PATH"], "CONDUIT_KEY": stack.secret, "no_proxy": "*"}
    answer = subprocess.run(["bash", "-c", copied], env=environment, capture_output=True, text=True, timeout=90, check=True).stdout
    assert '"object":"task"' in answer.replace(" ", "")
    (asked,) = stack.sql("SELECT count(*) FROM videos_video WHERE prompt = %s", prompt)[0]
    assert asked == 2
    assert complaints(problems) == []


def test_a_viewer_sees_the_page_and_no_button(browser: Browser, stack: RunningStack, until: Callable[[str, str], None]):
    task_id = stack.create(REFUSED)
    until(task_id, "failed")
    stack.manage("shell", "-c", _VIEWER)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    log_in(page, stack, "vera")

    page.goto(f"{stack.url}/admin/tasks/{task_id}/")

    expect(page.locator("[data-part=problem]")).to_contain_text("MiniMax answered 1026")
    assert page.locator("text='Retry…'").count() == 0
    answer = page.goto(f"{stack.url}/admin/tasks/{task_id}/retry/")
    assert answer
    assert answer.status == 403
    context.close()


_VIEWER = f"""
from django.contrib.auth.models import Group, User
User.objects.create_user("vera", password={PASSWORD!r}, is_staff=True).groups.set([Group.objects.get(name="viewer")])
"""
