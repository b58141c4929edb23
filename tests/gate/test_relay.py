"""A relay that ends leaves nothing open, whoever comes at that very moment: what it left would fail some later test."""

import gc
import socket
import threading
from contextlib import suppress

from tests.support.relay import Relay


def come_again(port: int, over: threading.Event) -> None:
    while not over.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as wire:
            wire.settimeout(0.01)
            wire.send(b"?")
            wire.recv(1)


def test_a_relay_closes_what_it_let_in_at_the_very_last_moment():
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(15):
            over = threading.Event()
            with Relay(server.getsockname()[1]) as relay:
                callers = [threading.Thread(target=come_again, args=(relay.port, over)) for _ in range(4)]
                for caller in callers:
                    caller.start()
                over.wait(0.02)
            over.set()
            for caller in callers:
                caller.join()
    gc.collect()  # pytest makes an error of each socket that this finds
