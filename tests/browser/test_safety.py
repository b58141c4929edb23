"""Getting in, as a browser sees it: a second factor, a lock after wrong passwords, and a policy that no page of Django's breaks."""

from base64 import b32decode
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django_otp.oath import totp
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, log_in, watched
from tests.browser.looking import keep_picture
from tests.support.running import RunningStack

# What a lock and a refusal are answered is seen by who watches; it is what the test wants.
EXPECTED = ("answer: 429", "console: Failed to load resource: the server responded with a status of 429")


def press(page: Page, what: str) -> None:
    """And wait for all of the page that it leads to: what is left sooner is a request that failed."""
    with page.expect_navigation(wait_until="load"):
        page.click(what)


def picture(page: Page, name: str) -> None:
    """At a desk and on a phone, to be looked at."""
    for width in (1440, 390):
        keep_picture(page, f"safety-{name}-{width}.png", width=width)


def code_for(secret: str, *, later: int = 0) -> str:
    return f"{totp(b32decode(secret.replace(' ', '')), drift=later):06d}"


@pytest.fixture(scope="module")
def bob(stack: RunningStack) -> str:
    stack.manage("createsuperuser", "--noinput", "--username=bob", "--email=bob@example.com")
    return "bob"


def test_a_second_factor_is_set_up_asked_for_and_replaced_by_a_recovery_code(
    page: Page, problems: list[str], stack: RunningStack, bob: str
):
    log_in(page, stack, bob)
    page.goto(f"{stack.url}/admin/settings/")
    press(page, "text='Second factor'")
    secret = page.inner_text("#secret")
    box = page.locator(".qr svg").bounding_box()
    assert box
    assert box["width"] > 150
    picture(page, "enrol")
    page.fill("#id_code", code_for(secret))
    press(page, "text='Switch it on'")

    assert page.url.endswith("/second-factor/codes/")
    codes = page.locator(".codes li").all_inner_texts()
    assert len(set(codes)) == 10
    page.reload()
    assert page.locator(".codes li").all_inner_texts() == codes
    picture(page, "codes")

    press(page, "text='Log out'")
    log_in(page, stack, bob)
    assert page.url.endswith("/login/code/")
    assert page.evaluate("document.activeElement.id") == "id_code"
    page.fill("#id_code", "000000")
    press(page, "text='Log in'")
    assert "This is not the code" in page.inner_text(".errorlist")
    picture(page, "code")
    page.fill("#id_code", codes[0])
    press(page, "text='Log in'")
    assert urlsplit(page.url).path == "/admin/"
    assert problems == []


def test_after_five_wrong_passwords_the_page_says_until_when(page: Page, problems: list[str], stack: RunningStack):
    for _ in range(5):
        log_in(page, stack, "mallory", "a guess")

    assert "heard again from" in page.inner_text("#content")
    assert page.locator("#content time").get_attribute("datetime")
    picture(page, "locked")
    assert [problem for problem in problems if not problem.startswith(EXPECTED)] == []


@pytest.fixture(scope="module")
def root(browser: Browser, session_of_ann: list[Any]) -> Iterator[Page]:
    """An administrator's tab."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    context.add_cookies(session_of_ann)
    yield context.new_page()
    context.close()


def test_each_list_form_and_question_of_django_opens_and_breaks_no_policy(root: Page, stack: RunningStack):
    """Each list, and of its first row the form, its history and the question before it is deleted; each form for a new row."""
    root.goto(f"{stack.url}/admin/settings/")
    lists = root.eval_on_selector_all("#content-main th a", "(links) => links.map((link) => link.href)")
    assert {"/admin/keys/virtualkey/", "/admin/tasks/task/", "/admin/videos/video/"} <= {urlsplit(address).path for address in lists}
    assert len(lists) > 12
    seen = []
    with watched(root) as problems:
        for address in lists:
            answer = root.goto(address)
            seen.append(urlsplit(root.url).path)
            assert answer
            assert root.is_visible("#changelist, table.tasks"), address
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            more = root.eval_on_selector_all(
                ".addlink, #result_list tbody tr:first-child th a", "(links) => links.map((link) => link.href)"
            )
            for way in more:
                root.goto(way)
                seen.append(urlsplit(root.url).path)
                ways = "#content-main .historylink, #content-main .deletelink"
                for further in root.eval_on_selector_all(ways, "(links) => links.map((link) => link.href)"):
                    root.goto(further)
                    seen.append(urlsplit(root.url).path)
        root.goto(f"{stack.url}/admin/password_change/")
    assert problems == []
    assert any(path.endswith("/delete/") for path in seen)
    assert any(path.startswith("/admin/audit/") for path in seen)
    assert "/admin/auth/user/add/" in seen


def test_what_scripts_of_django_draw_works_under_the_policy(root: Page, stack: RunningStack):
    """The calendar, the two boxes to choose from, another row of a form in a form, the window that adds what is missing."""
    with watched(root) as problems:
        root.goto(f"{stack.url}/admin/keys/virtualkey/add/")
        root.locator(".datetimeshortcuts a:has(.date-icon)").first.click()
        expect(root.locator(".calendarbox").first).to_be_visible()
        picture(root, "calendar")
        root.locator(".calendarbox .calendar-cancel a").first.click()
        root.click("text='Add another Budget'")
        expect(root.locator(".dynamic-budgets")).to_have_count(1)
        with root.expect_popup() as opened:
            root.click("#add_id_team")
        with watched(opened.value) as theirs:
            opened.value.fill("#id_name", "cinema")
            opened.value.click("[name=_save]")
            opened.value.wait_for_event("close") if not opened.value.is_closed() else None
        expect(root.locator("#id_team")).to_contain_text("cinema")

        root.goto(f"{stack.url}/admin/auth/group/add/")
        root.locator("#id_permissions_from option").first.wait_for(state="attached")
        root.locator("#id_permissions_from").select_option(index=0)
        root.click("#id_permissions_add, #id_permissions_add_link")
        expect(root.locator("#id_permissions_to option")).to_have_count(1)
    assert problems == []
    assert theirs == []


def test_pages_of_errors_are_in_the_frame(root: Page, stack: RunningStack):
    root.goto(f"{stack.url}/admin/nope/")

    assert root.inner_text("h1") == "There is no such page"
    picture(root, "not-found")
