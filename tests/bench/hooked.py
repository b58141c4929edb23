"""A receiver of webhooks for `tests.bench.webhooks`, in a process of its own: `python -m tests.bench.hooked`.

Prints its port. `/hang/…` answers nothing for 30 seconds, `/fail/…` 500, everything else 204 at once. The end of standard input has it
print when each of the others was called, by path, on the host's clock.
"""

import asyncio
import json
import sys
import time

HANGS_SECONDS = 30.0


async def main() -> None:
    came: list[tuple[str, float]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
            await reader.readexactly(length)
            path = head.split(" ", 2)[1]
            if path.startswith("/hang/"):
                await asyncio.sleep(HANGS_SECONDS)
            elif not path.startswith("/fail/"):
                came.append((path, time.time()))
            status = "500 Broken" if path.startswith("/fail/") else "204 No Content"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(came), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
