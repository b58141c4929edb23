"""Creates with a client token in a process that dies of SIGKILL before or after a statement that writes or the commit, the next at the
next, until one comes through, and another after it.

`python -m tests.support.killed_client_tokens TOKEN`, with the settings in the environment. A line of JSON tells what each was answered.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from tests.support.crasher import NEVER, FaultPoints, forked
from tests.support.loaded import client, load


def create(fatal: int, token: str) -> int:
    from django.db import connection

    points = FaultPoints(fatal)
    connection.ensure_connection()
    connection.commit = points.around("a commit", connection.commit)

    def around(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.lstrip().startswith(("INSERT", "UPDATE")):
            return execute(sql, params, many, context)
        return points.around("a statement", execute)(sql, params, many, context)

    connection.execute_wrappers.append(around)
    body = {"model": "minimax-video", "prompt": "a cat"}
    answer = client(Authorization=f"Bearer {token}").post("/v1/video/generations", body, content_type="application/json")
    return answer.status_code


def main(token: str) -> None:
    load()
    died, number = 9, 0
    while died:
        died, status = forked(create, number, token)
        print(json.dumps(status), flush=True)
        number += 1
    _, status = forked(create, NEVER, token)
    print(json.dumps(status), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    main(sys.argv[1])
