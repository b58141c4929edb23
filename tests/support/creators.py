"""Consumers that all create at the same moment, in a process of their own.

A thread for each secret gets its connections ready; "ready" is printed; with the first line on standard input all post a generation. A
line of JSON for each tells its status, code, message and seconds. `tests.support.crowds` makes several such processes and lets them all
go.
"""

import json
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any


def main(secrets: Sequence[str], handler: Any) -> None:
    from django.test import Client

    warm, go = threading.Barrier(len(secrets) + 1), threading.Barrier(len(secrets) + 1)
    answers: list[dict[str, Any]] = []

    def create(secret: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {secret}"})
        client.handler = handler
        assert client.get("/v1/models").status_code == 200
        warm.wait()
        go.wait()
        began = time.perf_counter()
        answer = client.post("/v1/video/generations", {"model": "minimax-video", "prompt": "a cat"}, content_type="application/json")
        error = answer.json().get("error") or {}
        answers.append(
            {
                "status": answer.status_code,
                "code": error.get("code"),
                "message": error.get("message"),
                "seconds": time.perf_counter() - began,
            }
        )

    threads = [threading.Thread(target=create, args=(secret,)) for secret in secrets]
    for thread in threads:
        thread.start()
    warm.wait(timeout=60)
    say("ready")
    sys.stdin.readline()
    go.wait(timeout=60)
    for thread in threads:
        thread.join()
    for answer in answers:
        say(json.dumps(answer))


def say(line: str) -> None:
    """In one piece: others write to the same pipe, and `print` writes the end of its line apart where nothing is buffered."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
