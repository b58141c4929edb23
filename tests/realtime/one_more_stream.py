"""The product with one streaming endpoint more, which is all in this file: `daphne tests.realtime.one_more_stream:application`."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conduit.settings")
django.setup(set_prefix=False)

from tasks.realtime.connections import Caller  # noqa: E402 - after the set-up, as an app's streams.py is
from tasks.realtime.endpoints import streaming  # noqa: E402

PATH = "/v1/counting"


@streaming(PATH)
async def counting(caller: Caller, query: Mapping[str, str]) -> AsyncGenerator[Mapping[str, Any]]:
    """Counts up to `to`, or for ever, with so much text with each number."""
    number = 0
    while number < int(query.get("to", "1000000000")):
        number += 1
        print(f"counted to {number}", flush=True)
        yield {"type": "number", "number": number, "key": caller.key_id, "text": "x" * int(query.get("size", "0"))}
        await asyncio.sleep(float(query.get("every", "0")))


from conduit.asgi import application  # noqa: E402

__all__ = ["application"]
