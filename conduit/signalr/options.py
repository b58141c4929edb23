"""Every timing and bound of a hub. Times are in seconds, sizes in bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from conduit.streams.seats import LoopSeats


class Transport(Enum):
    """In the order in which clients try them."""

    WEB_SOCKETS = "WebSockets"
    SERVER_SENT_EVENTS = "ServerSentEvents"
    LONG_POLLING = "LongPolling"


def _nobody(_origin: str) -> bool:
    return False


def _one_owner(_user: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The defaults are those of ASP.NET Core where it has the same bound."""

    # A ping is sent when nothing else was for this long. Clients give up after 30 s without a message. Default 15.
    keep_alive: float = 15
    # A client that has pinged once, and is silent for this long, is closed. Default 30.
    client_timeout: float = 30
    # From the transport's start to the handshake request. Default 15.
    handshake: float = 15
    # A long poll that has nothing to tell ends empty. Clients give up after 100 s. Default 90.
    poll: float = 90
    # A connection that has no transport (not yet, between polls, or cut and stateful) is dropped. Default 15.
    disconnect: float = 15
    # How long a client may take for what was sent before a Close, its methods to end once it has left, and `drain` for all. Default 5.
    closing: float = 5
    # A process that has not said in this long that it lives has lost its connections. Default 6.
    lease: float = 6
    # One message from a client; a longer one ends its connection. Default 32 KiB.
    message_bytes: int = 32 * 1024
    # One POST of a client, and of several that wait their sum. Microsoft's client puts all that waits into the next one. Default 8 MiB.
    post_bytes: int = 8 * 1024 * 1024
    # What a client may leave unsent before it is closed for being too slow. Default 1 MiB.
    outstanding_bytes: int = 1024 * 1024
    # Sent and not acknowledged yet, by connections with stateful reconnect; more waits. Default 100,000.
    stateful_buffer_bytes: int = 100_000
    # Messages of one connection in a second, and in a burst, pings too; more end it. Counted when they are read. Default 200 and 1,000.
    messages_per_second: float = 200
    messages_burst: float = 1000
    # Pings among them: clients send one every few seconds. Default 10 and 100.
    pings_per_second: float = 10
    pings_burst: float = 100
    # The same of one owner's connections in this process together; ends those that say most of it. Default ten times as many.
    messages_per_second_of_owner: float = 2000
    messages_burst_of_owner: float = 10_000
    # Invocations of one connection that wait for their turn. While there are more, nothing is read from the client. Default 100.
    pending_invocations: int = 100
    # What a client sent that waits for methods to take it: invocations and items of streams. More, as before. Default 256 KiB.
    pending_bytes: int = 256 * 1024
    # Streams of one connection that run, either way; the next ones are answered with an error. Default 100.
    streams: int = 100
    # Whether clients are told what went wrong in a hub, and not only that something did: for development. Default False.
    detailed_errors: bool = False
    # What negotiation offers, and is served; others are refused. Default: all.
    transports: frozenset[Transport] = frozenset(Transport)
    # New connections that one owner asks of this process in a second, negotiated or not; more are answered 429. Default 200.
    negotiations_per_second: float = 200
    # Open connections, over all processes. None: no bound. Default 10,000.
    connections: int | None = 10_000
    # Open connections of one owner, over all processes: a number, or what tells it of a user. Default: no bound.
    connections_per_owner: int | Callable[[Any], int] | None = None
    # Where each connection takes its seat, shared with others. Default: the hub's own.
    seats: LoopSeats | None = None
    # Whose a user's connections are: a request for another owner's connection is answered 404. Default: everybody is one owner.
    owner_of: Callable[[Any], str] = _one_owner
    # Whether scripts of this origin may talk to the hub. Default: none but its own.
    cors: Callable[[str], bool] = _nobody
    # What such scripts may send beside the plain headers, and may read.
    cors_headers: tuple[str, ...] = ("authorization", "content-type", "x-requested-with", "x-signalr-user-agent")
    # Whether they may send any other header, such as those of browsers' tracing. Default True: none is read.
    cors_any_header: bool = True
    cors_expose: tuple[str, ...] = ("retry-after", "x-request-id")
    # What the names of all keys in Redis begin with: two services that share a Redis and a path need two. Default "signalr".
    redis_prefix: str = "signalr"

    @property
    def tick(self) -> float:
        """How often a process looks for what is due."""
        shortest = min(self.keep_alive, self.client_timeout, self.handshake, self.disconnect, self.closing, self.lease)
        return max(0.02, min(0.5, shortest / 5))

    def bound_of(self, user: Any) -> int | None:
        bound = self.connections_per_owner
        return bound(user) if callable(bound) else bound
