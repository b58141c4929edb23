"""Consumers that all create at the same moment, in a process of their own.

Run as `python -m tests.support.creators SECRET…`: a thread for each secret gets its connections ready; "ready" is printed;
with the first line on standard input all post a generation. A line of JSON for each tells its status, code, message and
seconds. Called from a test, `at_once` starts several such processes and lets them all go.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.databases import database_url

ROOT = Path(__file__).resolve().parents[2]


def at_once(secrets: Sequence[str], *, processes: int, **environment: str) -> list[dict[str, Any]]:
    """How each secret's create was answered, all sent at the same moment, by so many processes in equal parts."""
    given = os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "conduit.settings", "LOG_LEVEL": "ERROR"} | environment
    parts = [list(secrets[number::processes]) for number in range(processes)]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.creators", *part],
            cwd=ROOT,
            env=given,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in parts
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0] for process in started]
    assert all(process.returncode == 0 for process in started)
    return [json.loads(line) for text in said for line in text.splitlines()]


def main(secrets: Sequence[str]) -> None:
    import django

    django.setup()
    from django.test import Client

    warm, go = threading.Barrier(len(secrets) + 1), threading.Barrier(len(secrets) + 1)
    answers: list[dict[str, Any]] = []

    def create(secret: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {secret}"})
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
    print("ready", flush=True)
    sys.stdin.readline()
    go.wait(timeout=60)
    for thread in threads:
        thread.join()
    for answer in answers:
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
