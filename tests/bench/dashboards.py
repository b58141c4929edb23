"""First pages of the console in one light process: `python -m tests.bench.dashboards PORT COUNT`.

A line on standard input holds the cookies of the sessions, as JSON; each of COUNT sockets takes the next. Prints "ready" when all
watch, and upon each further line how many messages came in all.
"""

import asyncio
import itertools
import json
import sys

from websockets.asyncio.client import connect

# That open their socket at the same moment: a web process bounds those of one address that have shown no login yet.
AT_ONCE = 20


class Watching:
    def __init__(self) -> None:
        self.messages = 0
        self._opening = asyncio.Semaphore(AT_ONCE)

    async def watch(self, port: int, cookie: str, ready: asyncio.Semaphore) -> None:
        url = f"ws://127.0.0.1:{port}/admin/live/"
        origin = f"http://127.0.0.1:{port}"
        async with self._opening:
            socket = await connect(url, origin=origin, additional_headers={"Cookie": cookie}, proxy=None, max_size=2**24)  # type: ignore[arg-type]
            await socket.send(json.dumps({"watch": {"now": "1h", "list": True}}))
            await socket.recv()  # it has been looked who that is
        async with socket:
            ready.release()
            async for _ in socket:
                self.messages += 1


async def main(port: int, count: int) -> None:
    loop = asyncio.get_running_loop()
    cookies = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    watching, ready = Watching(), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(watching.watch(port, cookie, ready)) for cookie in itertools.islice(itertools.cycle(cookies), count)]
    for _ in tasks:
        await asyncio.wait_for(ready.acquire(), 60)
    print("ready", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(watching.messages, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
