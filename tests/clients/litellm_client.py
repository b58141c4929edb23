"""A program that uses LiteLLM as its users do, run by LiteLLM's own environment: `litellm_client.py URL SECRET PART`.

Prints what it got as JSON. Nothing of ours is imported.
"""

import asyncio
import hashlib
import json
import sys
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")
import litellm  # noqa: E402 - once its warnings are silenced

WANTED: Any = {"model": "openai/minimax-video", "prompt": "a lighthouse", "seconds": "1", "size": "720x480"}


def life(there: dict[str, str]) -> dict[str, Any]:
    """From create to the file, and what lies beside it."""
    made: Any = litellm.video_generation(**WANTED, **there)
    while (stands := _status(made.id, there)).status in ("queued", "in_progress"):
        time.sleep(0.5)
    content: Any = litellm.video_content(video_id=made.id, **there)
    remix: Any = litellm.video_remix(video_id=made.id, prompt="a lighthouse by night", **there)
    return {
        "made": made.model_dump(),
        "stands": stands.model_dump(),
        "content": [len(content), hashlib.sha256(content).hexdigest()],
        "remix": remix.model_dump(),
        "listed": _listed(there),
    }


def _status(video_id: str, there: dict[str, str]) -> Any:
    return litellm.video_status(video_id=video_id, **there)


def _listed(there: dict[str, str]) -> list[str]:
    """Page by page to the end."""
    ids: list[str] = []
    after = None
    while True:
        page: Any = litellm.video_list(custom_llm_provider="openai", limit=1, order="asc", after=after, **there)
        rows = page["data"] if isinstance(page, dict) else page
        ids += [row["id"] for row in rows]
        if not isinstance(page, dict) or not page.get("has_more"):
            return ids
        after = page["last_id"]


def twins(there: dict[str, str]) -> dict[str, Any]:
    """The same at once, twice."""

    async def both() -> list[Any]:
        return list(await asyncio.gather(*(litellm.avideo_generation(**WANTED, **there) for _ in range(2))))

    return {"ids": [video.id for video in asyncio.run(both())]}


def create(there: dict[str, str]) -> dict[str, Any]:
    """One create, which the wire may cut off."""
    made: Any = litellm.video_generation(**WANTED, **there)
    return {"id": made.id}


def errors(there: dict[str, str]) -> dict[str, Any]:
    """The class of each refusal, and its status."""
    calls: dict[str, Any] = {
        "size": lambda: litellm.video_generation(**WANTED | {"size": "1024x1792"}, **there),
        "model": lambda: litellm.video_generation(**WANTED | {"model": "openai/sora-9"}, **there),
        "key": lambda: litellm.video_list(custom_llm_provider="openai", **there | {"api_key": "condt_nobody"}),
        "id": lambda: _status("video_123", there),
    }
    return {name: _refused(call) for name, call in calls.items()}


def _refused(call: Any) -> list[Any]:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - what its users get
        return [type(error).__name__, getattr(error, "status_code", None)]
    return []


def main(url: str, secret: str, part: str) -> None:
    there = {"api_base": f"{url}/v1", "api_key": secret}
    print(json.dumps({"life": life, "twins": twins, "create": create, "errors": errors}[part](there)))


if __name__ == "__main__":
    main(*sys.argv[1:])
