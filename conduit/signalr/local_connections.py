"""The connections that live in this process: their opening and end, one clock for all, and what other processes send them."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from conduit.signalr.connection import Connection
from conduit.signalr.http import Scope
from conduit.signalr.hubs import Hub
from conduit.signalr.mailboxes import Mailboxes, Record, Unavailable, own_seats
from conduit.signalr.options import Options
from conduit.signalr.posts import Posts, pieces_of
from conduit.signalr.relayed_requests import RETRY_SECONDS, RelayedRequests, item
from conduit.signalr.wires import Transport
from conduit.streams.lasting import lasting
from conduit.streams.rates import Rates
from conduit.streams.seats import Full

logger = logging.getLogger(__name__)

_ROUNDS = 10  # of the lease's beat, in which every record is said again once


def new_token() -> str:
    """128 random bits, fit for an address."""
    return secrets.token_urlsafe(16)


class Refusal(Exception):
    """A bound is reached; the text tells which."""


class LocalConnections:
    """The connections of one hub that live in this process."""

    def __init__(self, make_hub: Callable[[Connection], Hub], *, path: str, redis_url: str, options: Options) -> None:
        self.process = new_token()
        self.connections: dict[str, Connection] = {}
        self.mail = Mailboxes(
            redis_url,
            prefix=f"{options.redis_prefix}:{path.strip('/')}:",
            process=self.process,
            lease=options.lease,
            offered=options.disconnect,
        )
        prefix = f"{options.redis_prefix}:{path.strip('/')}:seats:"
        self._seats = options.seats or own_seats(redis_url, prefix=prefix, lease=options.lease)
        self._make_hub = make_hub
        self._options = options
        self._records: dict[str, Record] = {}  # by token: of the connections that were negotiated
        self._by_token: dict[str, Connection] = {}
        self._reading: dict[str, asyncio.Lock] = {}
        self._held: dict[str, asyncio.Task[None]] = {}  # of connections whose clients are not read, and others know
        self._posts = Posts(options.post_bytes)
        self._messages = Rates(options.messages_per_second_of_owner, options.messages_burst_of_owner)
        self._round: Iterator[str] = iter(())
        self._tasks: list[asyncio.Task[None]] = []
        self.relayed = RelayedRequests(self.mail, options)

    def start(self) -> None:
        """Begin to serve, in the running event loop. May be called again."""
        if not self._tasks:
            heard = self.mail.listen(self._heard, self._began)
            self._tasks = [lasting(work) for work in (self._watch(), self._beat(), heard)]

    def leave(self) -> None:
        """This process is about to end: clients that are here, or still come, go on elsewhere."""
        self.relayed.send_on()
        for connection in list(self.connections.values()):
            connection.come_again()

    @property
    def is_leaving(self) -> bool:
        return self.relayed.is_leaving

    @property
    def waiting(self) -> int:
        """How many clients wait for something that only this process can say. One that polls and has taken its Close is none of them:
        it may take its time to say that it goes, and any process may hear that."""
        return sum(not connection.has_heard_all for connection in self.connections.values()) + self.relayed.answering

    async def stop(self) -> None:
        """End the clock, what listens, and connections whose clients have heard all: their seats are given back, as if they had gone."""
        heard = [connection for connection in self.connections.values() if connection.has_heard_all]
        await asyncio.gather(*(connection.gone() for connection in heard))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        try:
            await self.mail.deregister()
        except Unavailable:
            logger.info("Redis does not answer; this process's lease will lapse")
        await self.mail.close()
        if not self._options.seats:  # they are nobody else's
            await self._seats.close()

    # Connections.

    def find(self, token: str, owner: str) -> Connection | None:
        """The owner's connection, when it lives here."""
        record = self._records.get(token)
        return self._by_token.get(token) if record is not None and record.owner == owner else None

    def record(self, token: str) -> Record | None:
        """What is known of a connection that lives here."""
        return self._records.get(token)

    async def open(self, scope: Scope, user: Any, transport: Transport, *, token: str = "", record: Record | None = None) -> Connection:
        """A new connection, negotiated if there is a record. Refusal when there are too many."""
        owner = self._options.owner_of(user)
        connection_id = record.connection_id if record else new_token()
        await self._take_seat(owner, user)
        connection = Connection(
            connection_id,
            user=user,
            scope=scope,
            transport=transport,
            stateful=record is not None and record.stateful and transport is Transport.WEB_SOCKETS,
            options=self._options,
            make_hub=self._make_hub,
            gone=lambda gone: self._gone(gone, owner, token),
            allows=partial(self._messages.allows, owner),
        )
        self.connections[connection_id] = connection
        if record is not None:
            self._records[token], self._by_token[token], self._reading[token] = record, connection, asyncio.Lock()
        if self.is_leaving:  # nothing was waited for since it became one of `connections`
            connection.come_again()
        return connection

    async def _gone(self, connection: Connection, owner: str, token: str) -> None:
        del self.connections[connection.id]
        for known in (self._records, self._by_token, self._reading):
            known.pop(token, None)
        self._seats.release(owner)
        try:
            if token:
                await self.mail.forget(token)
        except Unavailable:
            logger.info("Redis does not answer; what it knows of a connection will lapse")

    async def expect_room(self, owner: str, user: Any) -> None:
        """Refusal when a connection that is negotiated now could not be opened."""
        try:
            await self._seats.expect_one(owner, of_owner=self._options.bound_of(user), in_all=self._options.connections)
        except Full as full:
            raise Refusal(str(full)) from None

    async def _take_seat(self, owner: str, user: Any) -> None:
        try:
            await self._seats.acquire(owner, of_owner=self._options.bound_of(user), in_all=self._options.connections)
        except Full as full:
            raise Refusal(str(full)) from None

    # Time.

    async def _watch(self) -> None:
        """One clock for all connections."""
        tick = self._options.tick
        now = time.monotonic()
        while True:
            await asyncio.sleep(tick)
            if time.monotonic() - now > 2 * tick:  # this process stood still: what clients said meanwhile is to be read first
                await asyncio.sleep(tick)
            now = time.monotonic()
            self._check_all(now)

    def _check_all(self, now: float) -> None:
        # A function: a variable of `_watch` would keep the last connection for as long as no other is there to be looked at.
        for connection in list(self.connections.values()):
            connection.check(now)

    async def _beat(self) -> None:
        """Say again and again that this process lives, and what lives in it."""
        while True:
            await self._seats.heartbeat()
            try:
                await self._say_alive()
            except Unavailable:
                logger.debug("Redis does not answer")
            await asyncio.sleep(self._options.lease / 3)

    async def _say_alive(self) -> None:
        """A little at each beat, all of it once in a round, and all of it at once to a Redis that forgot."""
        if not await self.mail.heartbeat():
            await self.mail.keep(list(self._records.items()))
        tokens = list(islice(self._round, len(self._records) // _ROUNDS + 1))
        if not tokens:
            self._round = iter(list(self._records))
        await self.mail.keep([(token, self._records[token]) for token in tokens if token in self._records])
        await self.relayed.part_from_the_dead()

    # What other processes send.

    async def read(self, token: str) -> None:
        """Handle what other processes put for a connection of this one."""
        connection, lock = self._by_token.get(token), self._reading.get(token)
        if connection is None or lock is None:
            return
        async with lock:
            for packed in await self.mail.take(token):
                self.relayed.handle(connection, packed)
            if connection.is_stopped and token not in self._held:
                self._held[token] = asyncio.create_task(self._hold(token, connection))
                self._held[token].add_done_callback(lambda _: self._held.pop(token, None))

    async def _hold(self, token: str, connection: Connection) -> None:
        """Have other processes count what waits here to be read, until it was."""
        try:
            while connection.is_stopped:
                await self.mail.hold(token, connection.unread)
                await connection.room()
            await self.mail.hold(token, 0)
        except Unavailable:
            logger.info("Redis does not answer; others do not know how much waits here")

    async def post(self, token: str, connection: Connection, body: bytes) -> int:
        """A client's POST that reached its own process, after what reached others before, as fast as it is read: an HTTP status."""
        async with self._posts.turn(token, len(body)) as is_granted:
            if not is_granted:
                return 503
            try:
                await self.read(token)
            except Unavailable:
                logger.debug("Redis does not answer; there is nothing from others")
            for piece in pieces_of(body):
                if not connection.is_open:
                    return 404
                connection.received(piece)
                await asyncio.sleep(0)
                while connection.is_stopped:
                    await connection.room()
            return 200

    async def post_elsewhere(self, token: str, owner: str, body: bytes) -> int:
        """A client's POST for the process that has the connection, as fast as that reads: an HTTP status. Unavailable."""
        async with self._posts.turn(token, len(body)) as is_granted:
            status = 200 if is_granted else 503
            for piece in pieces_of(body) if is_granted else ():
                while (status := await self.tell_elsewhere(token, owner, item("post", "", piece), bounded=True)) == 503:
                    await asyncio.sleep(RETRY_SECONDS)
                if status != 200:
                    break
            return status

    async def tell_elsewhere(self, token: str, owner: str, packed: bytes, transport: str = "", *, bounded: bool = False) -> int:
        """Put an item for the process that has the connection, and answer an HTTP status: 503 when it is bounded and too much waits.
        Unavailable."""

        async def known() -> int | None:
            status = await self.mail.post(token, owner, packed, transport=transport, bounded=bounded)
            return None if status == 404 else status

        return await self.mail.patiently(known) or 404

    async def _heard(self, kind: str, name: str) -> None:
        if kind == "wire":
            self.relayed.answered(name)
        else:
            await self.read(name)

    async def _began(self) -> None:
        """Listening began, or began again after a gap: look at everything once, and be known to a Redis that forgot."""
        await self._say_alive()
        self.relayed.all_answered()
        for token in list(self._by_token):
            await self.read(token)
