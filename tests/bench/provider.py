"""The MiniMax of `make bench-engine`: it answers how jobs go, quickly and after a pause, and notes when each was asked for.

`python -m tests.bench.provider PORT SECONDS_OF_AN_ANSWER PERIOD`. `report` on standard input is answered with a line of JSON: what each
question was late, in milliseconds, since the last report. A job whose id was given by `fail ID` is refused for its content from then on.
"""

import asyncio
import json
import re
import sys
import time
from collections import defaultdict
from typing import Any

_ASKED = re.compile(rb"GET /v1/query/video_generation\?task_id=(\d+) ")


class Jobs:
    """What was asked for when."""

    def __init__(self, port: int, answers_in: float, period: float) -> None:
        self.port, self.answers_in, self.period = port, answers_in, period
        self.answered_at: dict[bytes, float] = {}
        self.late: list[float] = []
        self.failed: set[bytes] = set()
        self.connections = 0
        self.counts: defaultdict[str, int] = defaultdict(int)

    def answer(self, head: bytes) -> bytes:
        if found := _ASKED.match(head):
            return self._status(found[1])
        self.counts["other"] += 1
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    def _status(self, job: bytes) -> bytes:
        self.counts["query"] += 1
        if before := self.answered_at.get(job):
            self.late.append(time.monotonic() - before - self.period)
        status, code, words = ("Fail", 1027, "output new_sensitive") if job in self.failed else ("Processing", 0, "success")
        fields = {"task_id": int(job), "status": status, "file_id": "", "video_width": 0, "video_height": 0}
        return _json(fields | {"base_resp": {"status_code": code, "status_msg": words}})

    def report(self) -> dict[str, Any]:
        late, self.late = self.late, []
        counts, self.counts = dict(self.counts), defaultdict(int)
        return {"late": [round(seconds * 1000, 1) for seconds in late], "counts": counts, "connections": self.connections}


def _json(fields: dict[str, Any]) -> bytes:
    body = json.dumps(fields).encode()
    return (
        b"HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n"
        b"Trace-Id: 0123456789abcdef0123456789abcdef\r\nServer: nginx\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body)
    )


class Connection(asyncio.Protocol):
    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._received = jobs, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._jobs.connections += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            answer = self._jobs.answer(head)
            job = _ASKED.match(head)
            asyncio.get_running_loop().call_later(self._jobs.answers_in, self._send, answer, job and job[1])

    def _send(self, answer: bytes, job: bytes | None) -> None:
        self._transport.write(answer)
        if job:
            self._jobs.answered_at[job] = time.monotonic()


async def main() -> None:
    jobs = Jobs(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Connection(jobs), "127.0.0.1", jobs.port, backlog=1024)
    print("ready", flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order, *ids = line.split()
        if order == b"report":
            print(json.dumps(jobs.report()), flush=True)
        jobs.failed.update(ids)


if __name__ == "__main__":
    asyncio.run(main())
