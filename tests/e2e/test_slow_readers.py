"""A reader that stops must not fill the web process with what it does not take."""

import socket
import time
from urllib.parse import urlsplit

from tests.support.stacks import Elsewhere

PADDING_BYTES = 40 * 1024**2
READERS = 4


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_readers_that_stop_take_no_memory_and_a_reader_that_goes_on_gets_everything(elsewhere: Elsewhere):
    stack = elsewhere.stack
    wanted = {"model": "minimax-video", "prompt": "a slow reader", "duration": 1, "resolution": "720x480"}
    task_id = stack.call("POST", "/v1/video/generations", json=wanted).json()["task_id"]
    stack.until(lambda: stack.call("GET", f"/v1/tasks/{task_id}").json()["status"] == "completed")
    # A free box after the video makes a large file that still plays; remuxing drops it, so the stored file is padded.
    [path] = (stack.home / "media" / "tasks" / task_id).rglob("video-*.mp4")
    with path.open("ab") as file:
        file.write(b"\0" * PADDING_BYTES)
    size = path.stat().st_size
    stack.sql("UPDATE videos_video SET size_bytes = %s", size)
    link = urlsplit(stack.call("GET", f"/v1/tasks/{task_id}").json()["result"]["video_url"])
    web = stack.pid("web")
    before = resident_bytes(web)

    stopped = [socket.create_connection((link.hostname, link.port)) for _ in range(READERS)]
    for reader in stopped:
        reader.sendall(f"GET {link.path}?{link.query} HTTP/1.1\r\nHost: {link.netloc}\r\n\r\n".encode())
        assert reader.recv(15) == b"HTTP/1.1 200 OK"
    whole = stack.call("GET", f"{link.path}?{link.query}")
    time.sleep(1)  # what would pile up has had its time
    grown = resident_bytes(web) - before
    for reader in stopped:
        reader.close()

    assert len(whole.content) == size
    assert grown < PADDING_BYTES
    stack.until(stack.is_ready)
