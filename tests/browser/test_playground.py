"""The playground, as people use it: at a desk and on a phone, with a key and with tokens, by keyboard alone."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, watched
from tests.browser.looking import barred, cut, keep_picture, load_axe
from tests.support.running import RunningStack

# For a video to be made, on a machine that several browsers and stacks share.
MADE_MS = 240_000
PHONE = {"width": 390, "height": 844}
PLAYS = "() => { const video = document.querySelector('#stage video'); return video && video.currentTime > 0.2 && !video.paused; }"
PICTURED = "() => document.querySelector('#videos img')?.naturalWidth > 0"
# What a secret that is over is answered is seen by who watches; it is what the test wants.
EXPECTED = (
    "answer: 401",
    "answer: 403",
    "console: Failed to load resource: the server responded with a status of 40",
    "console: WebSocket",
)


def token_of(stack: RunningStack, **asked: Any) -> str:
    return str(stack.call("POST", "/v1/client_tokens", json=asked).json()["token"])


def picture(page: Page, name: str) -> None:
    keep_picture(page, f"playground-{name}.png")


def faults(page: Page) -> list[str]:
    load_axe(page)
    return barred(page) + cut(page)


def unexpected(problems: list[str]) -> list[str]:
    """A download is a page's address that the browser takes for itself, and calls broken off."""
    return [problem for problem in problems if not (problem.startswith(EXPECTED) or problem.endswith("/video.mp4 net::ERR_ABORTED"))]


@pytest.fixture(params=["light desk", "dark phone"])
def visitor(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A tab at a desk, and one on a phone in the dark."""
    how = {"viewport": PHONE, "color_scheme": "dark", "has_touch": True} if "phone" in request.param else {"color_scheme": "light"}
    context = browser.new_context(**how)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    yield page
    context.close()


def test_from_the_address_to_a_video_that_plays(visitor: Page, stack: RunningStack, request: pytest.FixtureRequest):
    name = request.node.callspec.params["visitor"].replace(" ", "-")
    with watched(visitor) as problems:
        visitor.goto(f"{stack.url}/#token={token_of(stack, create={'tasks': 3, 'usd': '2'})}")
        expect(visitor.locator("#live")).to_have_text("live")
        assert visitor.url == f"{stack.url}/"  # the token is in no history
        visitor.fill("#prompt", "a paper boat sails down a rainy street at dusk")
        visitor.locator("label", has_text="3 s").click()
        expect(visitor.locator("#go")).to_have_text("Make it · 0.10 USD")
        assert faults(visitor) == []
        picture(visitor, f"{name}-form")
        visitor.click("#go")
        expect(visitor.locator("#bar")).to_be_visible()
        picture(visitor, f"{name}-progress")
        box = visitor.locator("#stage").bounding_box()
        visitor.wait_for_function(PLAYS, timeout=MADE_MS)
        assert visitor.locator("#stage").bounding_box()["width"] == box["width"]
        assert visitor.locator("#stage video").get_attribute("poster")
        expect(visitor.locator("#who-words")).to_contain_text("2 of 3 videos left")
        visitor.wait_for_function(PICTURED)
        assert faults(visitor) == []
        picture(visitor, f"{name}-video")

        with visitor.expect_download() as downloading:
            visitor.click("#download")
        assert downloading.value.suggested_filename.endswith(".mp4")
        for language, word in (("Python", "import requests"), ("JavaScript", "await fetch"), ("curl", "curl http")):
            visitor.locator("#code label", has_text=language).click()
            expect(visitor.locator("#snippet")).to_contain_text(word)
            expect(visitor.locator("#snippet")).to_contain_text('"duration":3')

        visitor.click("#delete")
        expect(visitor.locator("#ask-words")).to_contain_text("0.10 USD")
        assert faults(visitor) == []
        visitor.click("#ask-yes")
        expect(visitor.locator("#stage")).to_contain_text("was deleted")
    assert unexpected(problems) == []


def test_with_a_key_and_by_keyboard_alone_a_video_is_made_cancelled_and_tried_again(page: Page, problems: list[str], stack: RunningStack):
    mine = stack.for_another_key()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.on("websocket", lambda socket: sent.append(socket.url))
    page.goto(f"{stack.url}/")
    press(page, "key")
    page.keyboard.type(mine.secret)
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_be_focused()
    expect(page.locator("#who-words")).to_contain_text("no budget binds it")
    expect(page.locator("#none")).to_be_visible()

    page.locator("#more summary").click()
    page.fill("#webhook", "http://127.0.0.1/hooks")
    expect(page.locator("#price-words")).to_contain_text("`webhook_url`")
    expect(page.locator("#go")).to_be_disabled()
    page.fill("#webhook", "https://nobody.invalid/hooks")
    page.focus("#prompt")
    page.keyboard.type("a fish of glass [sandbox: fail=1027]")
    expect(page.locator("#go")).to_contain_text("0.20 USD")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#snippet")).to_contain_text("https://nobody.invalid/hooks")
    expect(page.locator("#stage")).to_contain_text("content policy", timeout=MADE_MS)
    press(page, "retry")
    page.keyboard.press("Enter")
    expect(page.locator("#ask-words")).to_contain_text("0.20 USD")
    page.keyboard.press("Shift+Tab")  # from what leaves it as it is
    page.keyboard.press("Enter")
    expect(page.locator("#videos li")).to_have_count(2)
    press(page, "again")
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_be_focused()

    page.keyboard.press("Control+A")
    page.keyboard.type("a long walk")
    press(page, "seconds")
    page.keyboard.press("Control+A")
    page.keyboard.type("60")
    expect(page.locator("#go")).to_contain_text("2.00 USD")
    press(page, "go")
    page.keyboard.press("Enter")
    press(page, "cancel")
    page.keyboard.press("Enter")
    expect(page.locator("#ask-words")).to_contain_text("2.00 USD")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#player-words")).to_contain_text("cancelled")

    # The key went out in headers, and is in this tab alone.
    assert [address for address in sent if mine.secret in address] == []
    assert any("access_token=condt_ct_" in address for address in sent)
    page.reload()
    expect(page.locator("#live")).to_have_text("live")
    press(page, "leave")
    page.keyboard.press("Enter")
    expect(page.locator("#key")).to_be_focused()
    assert page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0
    # An address that may not be called is refused, with its name.
    refused = ("answer: 400", "console: Failed to load resource: the server responded with a status of 400")
    assert [problem for problem in unexpected(problems) if not problem.startswith(refused)] == []


def press(page: Page, wanted: str) -> None:
    """Go to the element by Tab alone."""
    page.locator(f"#{wanted}:not(:disabled)").wait_for()
    for _ in range(80):
        if page.evaluate("document.activeElement.id") == wanted:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_a_token_that_ends_and_a_key_that_is_disabled_meanwhile(page: Page, problems: list[str], stack: RunningStack):
    mine = stack.for_another_key()
    task_id = mine.create("a heron")

    # One task's token shows that task, and offers nothing to do with it.
    page.goto(f"{stack.url}/#token={token_of(mine, task_id=task_id)}&task={task_id}")
    page.wait_for_function(PLAYS, timeout=MADE_MS)
    expect(page.locator("#make")).to_be_hidden()
    expect(page.locator("#delete")).to_be_hidden()
    stack.sql("UPDATE keys_clienttoken SET expires_at = now() WHERE task_id = %s", task_id)
    expect(page.locator("#ended")).to_contain_text("This client token ended on")
    expect(page.locator("#key")).to_be_visible()
    expect(page.locator("#stage video")).to_be_visible()
    assert faults(page) == []
    picture(page, "ended")

    # In the same tab, with the key itself, which is disabled then.
    page.fill("#key", mine.secret)
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("live")
    stack.sql(
        "UPDATE keys_virtualkey SET enabled = false FROM keys_keysecret s WHERE s.key_id = keys_virtualkey.id AND s.prefix = %s",
        mine.secret[:12],
    )
    expect(page.locator("#ended")).to_contain_text("disabled")
    expect(page.locator("#make")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0
    assert unexpected(problems) == [], json.dumps(problems)


def test_what_is_no_key_is_told_so(page: Page, stack: RunningStack):
    page.goto(f"{stack.url}/")
    page.fill("#key", "condt_nobody")
    page.keyboard.press("Enter")

    expect(page.locator("#ended")).to_contain_text("not known here")
    assert page.evaluate("sessionStorage.length") == 0
