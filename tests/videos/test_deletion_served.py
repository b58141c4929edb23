"""After a deletion no column, file, log or message of a running stack holds a word of what was asked for."""

import os
import uuid
from pathlib import Path

import psycopg
import pytest
import redis

from tests.settings import ON_SQLITE
from tests.support.running import RunningStack

# What the look-alike was sent is somebody else's.
NOT_OURS = "sandbox"


def tables_with(stack: RunningStack, word: str) -> list[str]:
    names = stack.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
    with psycopg.connect(stack.database_url) as connection:
        found = []
        for (name,) in names:
            # Bytes too: a sealed or packed column is searched as it is stored.
            statement = f'SELECT count(*) FROM "{name}" AS row WHERE row::text LIKE %s OR row::text LIKE %s'
            [count] = connection.execute(statement, [f"%{word}%", f"%{word.encode().hex()}%"]).fetchone() or [0]
            if count:
                found.append(name)
        return found


def files_with(stack: RunningStack, word: str) -> list[str]:
    # Files and folders go while one looks: os.walk passes by what is there no more, which Path.rglob does not.
    files = (Path(folder) / name for folder, _, names in os.walk(stack.home) for name in names)
    ours = (path for path in files if NOT_OURS not in str(path.relative_to(stack.home)))
    return [str(path.relative_to(stack.home)) for path in ours if word.encode() in _bytes(path)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:  # scratch
        return b""


def messages_with(stack: RunningStack, word: str) -> list[str]:
    with redis.Redis.from_url(stack.redis_url) as server:
        return [repr(name) for name in server.scan_iter("*") if word in repr(name) or word.encode() in (server.dump(name) or b"")]


@pytest.mark.skipif(ON_SQLITE, reason="its tables are looked through by PostgreSQL's catalogue")
@pytest.mark.parametrize("way", ["/v1/tasks/{}/media", pytest.param("/v1/videos/{}", marks=pytest.mark.soak)])
def test_no_column_file_log_or_message_holds_what_was_deleted(stack: RunningStack, way: str):
    own, marker = stack.for_another_key(), f"zanzibar{uuid.uuid4().hex}"
    wanted = {
        "model": "minimax-video", "prompt": f"a cat in {marker}", "metadata": {marker: marker}, "duration": 1, "resolution": "720x480",
        "webhook_url": "https://nobody.invalid/hooks",  # what cannot be sent is kept, and sent again
    }  # fmt: skip
    answer = own.call("POST", "/v1/video/generations", json=wanted, headers={"Idempotency-Key": way})
    task = answer.json()
    own.until(lambda: own.call("GET", f"/v1/tasks/{task['task_id']}").json()["status"] not in ("queued", "processing"))
    assert own.call("GET", f"/v1/tasks/{task['task_id']}").json()["status"] == "completed"
    sheet = own.call("GET", f"/v1/videos/{task['task_id']}/content?variant=spritesheet")
    assert (sheet.status_code, sheet.content[:3]) == (200, b"\xff\xd8\xff")
    assert "videos_video" in tables_with(own, marker)

    assert own.call("DELETE", way.format(task["task_id"])).status_code == 200

    assert tables_with(own, marker) == []
    own.until(lambda: files_with(own, marker) == [] and not list((own.home / "media" / "tasks" / task["task_id"]).glob("*")))
    own.until(lambda: messages_with(own, marker) == [])
