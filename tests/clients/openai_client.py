"""A program that uses OpenAI's Python client as its users do, run by the client's own environment: `openai_client.py URL SECRET PART`.

Prints what it got as JSON. Without arguments it does what each line of standard input asks for, a list of these three: the client
takes two seconds to load. Nothing of ours is imported.
"""

import hashlib
import json
import sys
import warnings
from typing import Any

import openai

warnings.simplefilter("ignore", DeprecationWarning)
WANTED: Any = {"model": "minimax-video", "prompt": "a lighthouse", "seconds": "1", "size": "720x480"}


def life(client: openai.OpenAI) -> dict[str, Any]:
    """From create to the file, and what lies beside it."""
    made = client.videos.create_and_poll(**WANTED)
    other = client.videos.create(**WANTED)
    remix = client.videos.remix(made.id, prompt="a lighthouse by night")
    contents = {
        variant: client.videos.download_content(made.id, variant=variant).read()  # type: ignore[arg-type]
        for variant in ("video", "thumbnail", "spritesheet")
    }
    listed = [[video.id for video in client.videos.list(limit=1, order=order)] for order in ("asc", "desc")]  # type: ignore[attr-defined]
    deleted = [client.videos.delete(video.id).model_dump() for video in (made, other)]
    return {
        "deleted": deleted,
        "gone": _refused(lambda: client.videos.retrieve(made.id)),
        "made": made.model_dump(),
        "other": other.model_dump(),
        "remix": remix.model_dump(),
        "contents": {variant: [len(content), hashlib.sha256(content).hexdigest()] for variant, content in contents.items()},
        "listed": listed,
    }


def errors(client: openai.OpenAI, hurried: str) -> dict[str, Any]:
    """The class of each refusal, and what it tells. `hurried`: the secret of a key that may read once a minute."""
    nobody = openai.OpenAI(base_url=str(client.base_url), api_key="condt_nobody", max_retries=0)
    twice = openai.OpenAI(base_url=str(client.base_url), api_key=hurried, max_retries=0)
    twice.videos.list()
    same: Any = {"extra_headers": {"Idempotency-Key": "one"}}
    client.videos.create(**WANTED, **same)
    calls: dict[str, Any] = {
        "size": lambda: client.videos.create(**WANTED | {"size": "1024x1792"}),
        "reference": lambda: client.videos.create(**WANTED, input_reference=("a.png", b"PNG", "image/png")),
        "model": lambda: client.videos.create(**WANTED | {"model": "sora-9"}),
        "id": lambda: client.videos.retrieve("video_123"),
        "key": lambda: nobody.videos.list(),
        "content": lambda: client.videos.download_content(client.videos.create(**WANTED).id),
        "forbidden": lambda: client.videos.create(**WANTED | {"model": "minimax-h3"}),
        "conflict": lambda: client.videos.create(**WANTED | {"prompt": "another"}, **same),
        "rate": twice.videos.list,
        "budget": lambda: client.videos.create(**WANTED | {"seconds": "60"}),
    }
    return {name: _refused(call) for name, call in calls.items()}


def paused(client: openai.OpenAI) -> list[Any]:
    """A create while no new work is taken."""
    return _refused(lambda: client.with_options(max_retries=0).videos.create(**WANTED))


def create(client: openai.OpenAI) -> dict[str, Any]:
    """One create, which the wire may cut off."""
    return {"id": client.videos.create(**WANTED).id}


def webhooks(client: openai.OpenAI, url: str) -> dict[str, Any]:
    """An endpoint at that address, from create to delete."""
    hooks: Any = client.webhooks
    made = hooks.create(name="batch", url=url, event_types=["video.completed", "video.failed"])
    read = hooks.retrieve(made.id)
    listed = [one.id for one in hooks.list(limit=1)]
    changed = hooks.update(made.id, name="other", event_types=["video.failed"])
    rotated = hooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    tested = hooks.test(made.id, event_type="video.failed")
    found = {"made": made, "read": read, "changed": changed, "rotated": rotated, "tested": tested, "deleted": hooks.delete(made.id)}
    return {name: one.model_dump() for name, one in found.items()} | {"listed": listed, "types": hooks.event_types.list().data}


def _refused(call: Any) -> list[Any]:
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.param]
    return []


def main(url: str, secret: str, part: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=secret)
    name, _, given = part.partition("=")
    parts: dict[str, Any] = {"life": life, "errors": errors, "paused": paused, "create": create, "webhooks": webhooks}
    print(json.dumps(parts[name](client, *filter(None, [given]))), flush=True)


if __name__ == "__main__":
    for asked in [sys.argv[1:]] if sys.argv[1:] else map(json.loads, sys.stdin):
        main(*asked)
