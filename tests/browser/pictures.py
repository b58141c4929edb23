"""`make pictures`: takes the pictures of the console anew, of a stack that makes a handful of videos meanwhile."""

from pathlib import Path

from playwright.sync_api import Page

from tests.browser.chromium import chromium
from tests.browser.conftest import PASSWORD, PATIENCE_MS
from tests.support.running import RunningStack

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
FIRST = [
    "a paper boat sails down a rainy street at dusk", "a fish of glass in a dark sea [sandbox: fail=1027]",
    "a lighthouse in a storm, seen from the water", "an old tram climbs a hill between orange trees",
]  # fmt: skip
LATER = [
    ("a kite over the dunes, the camera follows it", 6), ("a city of lanterns at night, slowly from above", 20),
    ("a steam train crosses a viaduct in the snow", 12), ("two herons by a river in the morning fog", 6),
]  # fmt: skip


def main() -> None:
    stack = RunningStack(SANDBOX_CLIP_SCALE="1", CONDUIT_ENV="development", DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    try:
        stack.start()
        stack.manage("createsuperuser", "--noinput", "--username=ann", "--email=ann@example.com")
        shown = [_generate(stack, prompt, 6) for prompt in FIRST]
        stack.until(lambda: all(_status(stack, task_id) in ("completed", "failed") for task_id in shown))
        for prompt, seconds in LATER:
            _generate(stack, prompt, seconds)
        stack.until(lambda: any(task["progress"] > 30 for task in stack.call("GET", "/v1/tasks?status=processing").json()["data"]))
        _take(stack, shown[0])
    finally:
        stack.close()


def _generate(stack: RunningStack, prompt: str, seconds: int) -> str:
    body = {"model": "minimax-video", "prompt": prompt, "duration": seconds}
    return str(stack.call("POST", "/v1/video/generations", json=body).json()["task_id"])


def _status(stack: RunningStack, task_id: str) -> str:
    return str(stack.call("GET", f"/v1/tasks/{task_id}").json()["status"])


def _take(stack: RunningStack, task_id: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        page: Page = context.new_page()
        page.goto(f"{stack.url}/admin/login/")
        page.fill("#id_username", "ann")
        page.fill("#id_password", PASSWORD)
        page.click("[type=submit]")
        page.wait_for_selector("#live[data-way=socket]")
        page.screenshot(path=PICTURES / "now.png", full_page=True)
        page.goto(f"{stack.url}/admin/tasks/{task_id}/")
        page.wait_for_function("document.querySelector('video')?.readyState >= 2")
        page.screenshot(path=PICTURES / "task.png")


if __name__ == "__main__":
    main()
