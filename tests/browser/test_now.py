"""Now, in a browser: what happens is seen within two seconds, in each window, and outages are told and gone again by themselves."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PASSWORD, watched
from tests.support.running import RunningStack

# What happens is shown within two seconds, and within so many on a machine that several browsers and stacks share.
PROMPT = 20.0

# Notes when a row of Now came, went, or moved its bar, by the clock that the stack goes by too.
RECORD = """() => {
  window.seen = [];
  const bars = new Map();
  const look = () => {
    const now = new Map([...document.querySelectorAll("#now [data-task]")].map((row) =>
      [row.dataset.task, row.querySelector("[role=progressbar]").getAttribute("aria-valuenow")]));
    for (const [id, bar] of now) if (bars.get(id) !== bar) seen.push({ id, bar: Number(bar), at: Date.now() / 1000 });
    for (const id of bars.keys()) if (!now.has(id)) seen.push({ id, bar: null, at: Date.now() / 1000 });
    bars.clear();
    now.forEach((bar, id) => bars.set(id, bar));
  };
  new MutationObserver(look).observe(document.getElementById("now"), { subtree: true, childList: true, attributes: true });
}"""

OPEN = """(address) => new Promise((done) => {
  const socket = new WebSocket(address);
  socket.onopen = () => done("open");
  socket.onclose = (event) => done(event.code);
})"""
MOVED = "(id) => new Set(seen.filter((one) => one.id === id).map((one) => one.bar)).size > 2"
GONE = "(id) => seen.some((one) => one.id === id && one.bar === null)"


@pytest.fixture
def log_in(logged_in: None, context: BrowserContext, stack: RunningStack) -> Callable[[], Page]:
    """Opens Now in one more tab of the same login, which is made by hand when there is none."""

    def open_now() -> Page:
        tab = context.new_page()
        tab.goto(f"{stack.url}/admin/")
        if tab.locator("#id_username").count():
            tab.fill("#id_username", "ann")
            tab.fill("#id_password", PASSWORD)
            tab.click("[type=submit]")
            tab.wait_for_url("**/admin/")
        expect(tab.locator("#live")).to_have_text("live")
        return tab

    return open_now


@pytest.fixture
def now(log_in: Callable[[], Page]) -> Page:
    return log_in()


@pytest.fixture
def generate(stack: RunningStack) -> Iterator[Callable[[str], str]]:
    """Asks for a video over the API; what still runs is cancelled after the test."""
    made: list[str] = []

    def ask(prompt: str) -> str:
        made.append(stack.create(prompt))
        return made[-1]

    yield ask
    for task_id in made:
        stack.call("POST", f"/v1/tasks/{task_id}/cancel")


def event_at(stack: RunningStack, task_id: str, status: str) -> float:
    """When the task got that status, once it has."""
    rows: list[tuple[Any, ...]] = []

    def has_come() -> bool:
        rows[:] = stack.sql("SELECT created_at FROM tasks_taskevent WHERE task_id = %s AND status = %s", task_id, status)
        return bool(rows)

    stack.until(has_come)
    moment: datetime = rows[0][0]
    return moment.astimezone(UTC).timestamp()


def test_a_task_made_over_the_api_appears_moves_and_goes_in_two_windows_at_once(stack, log_in, generate):
    windows = [log_in(), log_in()]
    with watched(windows[0]) as problems:
        for window in windows:
            window.evaluate(RECORD)
        task_id = generate("a kite [sandbox: stuck]")
        began = event_at(stack, task_id, "processing")
        for window in windows:
            stack.until(lambda window=window: window.evaluate(MOVED, task_id))
        stack.call("POST", f"/v1/tasks/{task_id}/cancel")
        cancelled = event_at(stack, task_id, "cancelled")
        for window in windows:
            stack.until(lambda window=window: window.evaluate(GONE, task_id))
        assert problems == []

    for window in windows:
        seen = [one for one in window.evaluate("seen") if one["id"] == task_id]
        bars = [one["bar"] for one in seen if one["bar"] is not None]
        assert bars == sorted(bars)
        assert seen[0]["at"] - began < PROMPT
        assert seen[-1]["at"] - cancelled < PROMPT
        expect(window.locator("#live")).to_have_text("live")  # it was told, and did not ask


def test_what_failed_is_counted_and_its_cause_named_without_a_reload(stack, now, generate):
    before = number(now, "failed")

    generate("a fish [sandbox: fail=1027]")

    expect(now.locator('[data-now="1h:causes"]')).to_contain_text("content_policy_violation")
    stack.until(lambda: number(now, "failed") > before)


def number(page: Page, status: str) -> int:
    return int(page.inner_text(f'[data-now="1h:ended"] .status-{status} + strong').replace(",", ""))


def test_without_redis_it_goes_on_and_without_its_server_it_says_so_and_is_right_again(stack, now, generate):
    killed = stack.kill("valkey")
    task_id = generate("a boat [sandbox: stuck]")
    expect(now.locator(f'[data-task="{task_id}"]')).to_be_visible()
    expect(now.locator("#live")).to_have_text("live")
    stack.until_restarted("valkey", killed)

    killed = stack.kill("web")
    expect(now.locator("#live")).to_have_text(re.compile(r"not reached since \d\d:\d\d:\d\d|asks every 5 s"))
    stack.until_restarted("web", killed)
    stack.call("POST", f"/v1/tasks/{task_id}/cancel")

    expect(now.locator("#live")).to_have_text("live")
    expect(now.locator(f'[data-task="{task_id}"]')).to_have_count(0)


def test_while_the_socket_is_kept_away_it_asks(stack, context, log_in, generate):
    context.route_web_socket("**/admin/live/", lambda socket: socket.close())
    page = context.new_page()
    page.goto(f"{stack.url}/admin/")
    expect(page.locator("#live")).to_have_text("asks every 5 s")

    task_id = generate("a cloud [sandbox: stuck]")

    expect(page.locator(f'[data-task="{task_id}"]')).to_be_visible()
    page.goto(f"{stack.url}/admin/?span=24h")
    expect(page.locator("#live")).to_have_text("asks every 5 s")


def test_a_logout_in_another_tab_ends_it_and_leads_to_the_login(context, log_in):
    context.clear_cookies()  # the session that it ends is its own
    now, other = log_in(), log_in()
    other.click("#logout-form button")

    expect(now.locator("#live")).to_contain_text("You are logged out.")
    now.click("#live a")
    expect(now.locator("#id_username")).to_be_visible()


def test_another_sites_page_cannot_open_the_socket(stack, now, context, origin):
    elsewhere = context.new_page()
    elsewhere.goto(f"{origin}/")
    address = stack.url.replace("http", "ws", 1) + "/admin/live/"

    assert elsewhere.evaluate(OPEN, address) == 1006
    assert now.evaluate(OPEN, address) == "open"


def test_the_charts_are_read_with_the_arrow_keys(now):
    now.focus("#chart-ended")
    now.keyboard.press("End")
    says = now.locator("#chart-says")
    expect(says).to_have_text(re.compile(r"From \d{4}-\d\d-\d\d \d\d:\d\d:00 UTC: \d+ completed, \d+ failed, \d+ cancelled"))
    last = says.inner_text()
    now.keyboard.press("ArrowLeft")

    expect(says).not_to_have_text(last)


# A tab of a headless browser is always shown: what its page asks for is answered in the browser's place.
COVER = """() => {
  let hidden = false;
  Object.defineProperty(document, "hidden", { get: () => hidden });
  window.cover = (wanted) => { hidden = wanted; document.dispatchEvent(new Event("visibilitychange")); };
}"""


@pytest.fixture
def covered(stack, context, log_in):
    """Now in a tab whose timers a test moves on, with the sockets that it opens, what they hear, and the addresses that it asks for."""
    log_in().close()
    page = context.new_page()
    page.add_init_script(f"({COVER})()")
    page.clock.install()
    sockets, heard, asked = [], [], []

    def opened(socket):
        sockets.append(socket)
        socket.on("framereceived", lambda frame: heard.append(frame))

    page.on("websocket", opened)
    page.on("request", lambda request: asked.append(request.url) if "/live/state/" in request.url else None)
    return page, sockets, heard, asked


def let_pass(stack, page, sockets, heard, seconds):
    """Move the page's timers on, as the server goes on talking to it."""
    for _ in range(seconds // 5):
        before = len(heard)
        stack.until(lambda before=before: page.evaluate("0") or len(heard) > before or sockets[-1].is_closed())
        page.clock.run_for(5_000)


def test_a_hidden_tab_lets_its_socket_go_and_is_right_again_when_it_is_shown(stack, covered, generate):
    page, sockets, heard, asked = covered
    generate("what moves [sandbox: stuck]")
    page.goto(f"{stack.url}/admin/")
    expect(page.locator("#live")).to_have_text("live")
    page.evaluate("cover(true)")
    let_pass(stack, page, sockets, heard, 10)
    page.evaluate("cover(false)")  # who looks away for a moment waits for nothing when he is back
    let_pass(stack, page, sockets, heard, 15)
    assert [socket.is_closed() for socket in sockets] == [False]

    page.evaluate("cover(true)")
    let_pass(stack, page, sockets, heard, 25)
    assert [socket.is_closed() for socket in sockets] == [True]
    task_id = generate("a hidden kite [sandbox: stuck]")
    event_at(stack, task_id, "processing")
    page.clock.run_for(10 * 60_000)
    assert (len(sockets), asked) == (1, [])
    assert page.locator(f'[data-task="{task_id}"]').count() == 0

    page.evaluate("cover(false)")
    expect(page.locator(f'[data-task="{task_id}"]')).to_be_visible()
    expect(page.locator("#live")).to_have_text("live")
    assert [socket.is_closed() for socket in sockets] == [True, False]


def test_a_hidden_tab_asks_no_more_and_goes_on_when_it_is_shown(stack, context, covered, generate):
    page, _, _, asked = covered
    context.route_web_socket("**/admin/live/", lambda socket: socket.close())
    page.goto(f"{stack.url}/admin/")
    page.clock.run_for(1_000)
    expect(page.locator("#live")).to_have_text("asks every 5 s")
    page.evaluate("cover(true)")
    before = len(asked)
    page.clock.run_for(10 * 60_000)
    assert len(asked) == before > 0

    task_id = generate("a hidden cloud [sandbox: stuck]")
    event_at(stack, task_id, "processing")
    page.evaluate("cover(false)")
    page.clock.run_for(1_000)

    expect(page.locator(f'[data-task="{task_id}"]')).to_be_visible()
