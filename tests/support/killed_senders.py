"""Senders of webhooks, each in a process of its own that somebody kills, the next after it, until standard input ends.

Run as `python -m tests.support.killed_senders`, with the settings in the environment. Conduit is loaded once; each sender is a fork
with connections of its own, and says its process id when it begins.
"""

import os
import signal
import sys
import threading
import time

from tests.support.crowds import forked
from tests.support.loaded import load


def send() -> None:
    from tasks.notifications.worker import LOOK_SECONDS, Sender

    print(os.getpid(), flush=True)
    sender = Sender(connections=32)
    while True:
        time.sleep(0.002 if sender.look() < LOOK_SECONDS else 0.02)


def main() -> None:
    load()
    over = threading.Event()
    pids: list[int] = []

    def end() -> None:
        sys.stdin.read()
        over.set()
        os.kill(pids[-1], signal.SIGKILL)

    while not over.is_set():
        pids.append(forked(send))
        if len(pids) == 1:
            threading.Thread(target=end, daemon=True).start()
        os.waitpid(pids[-1], 0)


if __name__ == "__main__":
    main()
