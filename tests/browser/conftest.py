"""A browser, the whole stack and somebody else's page. `make test-browser` runs these, and nothing else does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.browser.chromium import chromium
from tests.browser.consumer import Consumer
from tests.browser.serving import site
from tests.support.running import RunningStack

HERE = Path(__file__).parent
PATIENCE_MS = 90_000
PASSWORD = "a password for this one stack"

expect.set_options(timeout=PATIENCE_MS)

_failed = pytest.StashKey[bool]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """These need Chromium: they are collected only where somebody asks for this folder or a file of it."""
    asked = [Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(HERE) for path in asked) else True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture(scope="session")
def stack(prepared: None) -> Iterator[RunningStack]:
    """One stack for all of a worker: it comes back by itself from what a test kills."""
    # Commands beside it then see the stack for what it is, as in a clone. Clips take long enough for a page to be told of progress.
    running = RunningStack(CONDUIT_ENV="development", DJANGO_SUPERUSER_PASSWORD=PASSWORD, MINIMAX_TIME_SCALE="0.02")
    try:
        running.start()
        running.manage("createsuperuser", "--noinput", "--username=ann", "--email=ann@example.com")
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def log_in(page: Page, stack: RunningStack, name: str = "ann", password: str = PASSWORD) -> None:
    """By hand, and wait for all of the page that it leads to: what is left sooner is a request that failed."""
    page.goto(f"{stack.url}/admin/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    with page.expect_navigation(wait_until="load"):
        page.click("[type=submit]")


@pytest.fixture(scope="session")
def session_of_ann(browser: Browser, stack: RunningStack) -> list[Any]:
    """The cookies of an administrator, who logged in by hand: a login takes as long as many a test. No test may end it."""
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        log_in(context.new_page(), stack)
        return list(context.cookies())


@pytest.fixture(scope="session")
def origin() -> Iterator[str]:
    """Where the consumer's page is."""
    with site() as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Cookies and caches of this test alone."""
    made = browser.new_context()
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def logged_in(context: BrowserContext, session_of_ann: list[Any]) -> None:
    """The test's tabs are an administrator's."""
    context.add_cookies(session_of_ann)


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """An empty tab. When the test fails, its picture is kept."""
    tab = context.new_page()
    yield tab
    if request.node.stash.get(_failed, False):
        picture = tmp_path / "page.png"
        tab.screenshot(path=picture, full_page=True)
        request.node.add_report_section("teardown", "browser", f"What the page looked like: {picture}")


def _had_enough(failed: Request) -> bool:
    """Whether the browser broke it off itself: it reads no more of a video than it shows, and nothing more for a page that it left."""
    return failed.failure == "net::ERR_ABORTED" and failed.resource_type in ("media", "fetch", "image")


@contextmanager
def watched(page: Page) -> Iterator[list[str]]:
    """What the browser complains of meanwhile: errors in its console, scripts that threw, requests that failed, policies that were
    broken. Without queries: they hold keys."""
    found: list[str] = []

    def note(*words: object) -> None:
        found.append(re.sub(r"\?\S*", "", " ".join(str(word) for word in words)))

    listeners = {
        "console": lambda message: message.type in ("error", "warning") and note("console:", message.text),
        "pageerror": lambda error: note("script:", error),
        "requestfailed": lambda failed: _had_enough(failed) or note("request:", failed.method, failed.url, failed.failure),
        "response": lambda answer: answer.status >= 400 and note("answer:", answer.status, answer.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload] # an event's name that is no literal
    yield found
    for event, listener in listeners.items():
        page.remove_listener(event, listener)


@pytest.fixture
def problems(page: Page) -> Iterator[list[str]]:
    """What the browser complained of."""
    with watched(page) as found:
        yield found


@pytest.fixture
def consumer(page: Page, problems: list[str], stack: RunningStack, origin: str) -> Consumer:
    """The consumer's page, open; `problems` listens from its first request on."""
    page.goto(f"{origin}/")
    return Consumer(page, stack)


@pytest.fixture(autouse=True)
def _no_log_holds_the_key(stack: RunningStack) -> Iterator[None]:
    """Browsers send it in the address, which is what servers like to log."""
    yield
    logs = [*(stack.home / "logs").iterdir(), stack.home / "stack.out"]
    assert [path.name for path in logs if stack.secret in path.read_text(errors="replace")] == []
