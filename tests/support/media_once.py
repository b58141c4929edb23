"""Work on the same files is done once in a run: a child's second answer would be its first, to the byte.

That it is so of each kind of work, tests/videos/media/test_same_bytes.py holds. A driven task's clips are the same few again and
again, and each of their children costs half a second of processors, most of it for its start.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from videos.media import child
from videos.media.orders import WRITTEN

_answer = child._answer


@dataclass
class _Done:
    facts: dict[str, Any]
    shares: list[float] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)


_done: dict[str, _Done] = {}


def remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the children of this process answer from memory to what they were asked before. What failed is asked again."""
    monkeypatch.setattr(child, "_answer", _answer_once)


def _answer_once(order: dict[str, Any], seconds: float, on_progress: Callable[[float], None] | None) -> dict[str, Any]:
    given = order["given"]
    paths = {name: Path(given[name]) for name in WRITTEN if given.get(name) is not None}
    asked = _asked(order, paths)
    if done := _done.get(asked):
        if on_progress:
            for share in done.shares:
                on_progress(share)
        for name, content in done.written.items():
            paths[name].write_bytes(content)
        return done.facts
    done = _Done({})

    def tell(share: float) -> None:
        done.shares.append(share)
        if on_progress:
            on_progress(share)

    done.facts = _answer(order, seconds, tell)
    done.written = {name: path.read_bytes() for name, path in paths.items()}
    _done[asked] = done
    return done.facts


def _asked(order: dict[str, Any], written: dict[str, Path]) -> str:
    """The work, its limits and its wishes, and what is in its files instead of where they lie."""
    given = order["given"]
    clips = [hashlib.sha256(Path(clip).read_bytes()).hexdigest() for clip in given.get("clips") or [given["clip"]]]
    asked = [order["work"], order["limits"], clips, str(given.get("target")), sorted(written)]
    return json.dumps(asked, sort_keys=True)
