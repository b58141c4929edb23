"""Kills a process before and after every statement of a create with an Idempotency-Key, one after the other.

Run as a process of its own (`python -m tests.support.crashing_calls SECRET`), with the settings in the environment. Each
call is made in a fork that its fault point kills with SIGKILL; a second fork sends the same again. A line of JSON on
standard output tells what both got.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from tests.support.crasher import FaultPoints, forked
from tests.support.loaded import client, load


class StatementFaults(FaultPoints):
    """Every statement of a request is one, those inside a transaction too, and so is the commit."""

    def install(self) -> None:
        from django.db import connection

        connection.ensure_connection()
        connection.commit = self.around("the commit", connection.commit)
        connection.execute_wrappers.append(self._around_each)

    def _around_each(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        return self.around(sql.split(" (")[0][:60], execute)(sql, params, many, context)


def call(secret: str, name: str, fatal: int) -> dict[str, Any]:
    StatementFaults(fatal).install()
    answer = client().post(
        "/v1/video/generations",
        {"model": "minimax-video", "prompt": name},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": name},
    )
    return {"status": answer.status_code, "replayed": answer.headers.get("Idempotent-Replayed"), "body": answer.content.decode()}


def main(secret: str) -> None:
    load()
    never = -1
    fatal = 0
    while True:
        died_of, first = forked(call, secret, f"point-{fatal}", fatal)
        _, again = forked(call, secret, f"point-{fatal}", never)
        print(json.dumps({"point": fatal, "died": bool(died_of), "first": first, "again": again}), flush=True)
        if not died_of:
            return
        fatal += 1


if __name__ == "__main__":
    main(sys.argv[1])
