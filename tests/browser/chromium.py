"""Debian's Chromium, driven through playwright: on root's account as in CI, and on machines without a network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--headless=new",
    "--no-sandbox",  # its sandbox refuses to start for root
    "--disable-gpu",
    # Nothing of its own may be asked of a network: what cannot be reached would only slow the tests down.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile, which goes with it. RuntimeError when there is none on PATH."""
    program = shutil.which("chromium")
    if program is None:
        raise RuntimeError("There is no chromium on PATH: `make test-browser` installs it, or says what to install.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
