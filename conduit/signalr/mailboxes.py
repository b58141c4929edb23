"""What the processes of one hub share, in Redis. Every key has a time limit; README.md lists them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

from conduit.streams.breaker import Away, breaker_of
from conduit.streams.cancelling import heeding
from conduit.streams.seats import LoopSeats, SharedSeats

logger = logging.getLogger(__name__)

_INBOX_BYTES = 1024 * 1024  # of one connection: what clients sent to another process and its owner has not read
_QUESTIONS = 32  # of this process to Redis at once; more take turns
_WAIT_SECONDS = 2  # for Redis, before it counts as away
_PAUSE_SECONDS = 0.5  # between two attempts to listen


_Answer = TypeVar("_Answer")


class Unavailable(Exception):
    """Redis does not answer."""


@dataclass(frozen=True, slots=True)
class Record:
    """A negotiated connection. Without a process: nobody has opened its transport yet."""

    connection_id: str
    owner: str
    stateful: bool
    process: str = ""
    transport: str = ""
    is_ours: bool = False  # this call made it ours
    lives: bool = True  # its process does


# KEYS: record. ARGV: owner, process, transport, prefix, lifetime in ms.
_CLAIM = """
local found = redis.call('HMGET', KEYS[1], 'id', 'owner', 'stateful', 'process', 'transport')
if not found[1] or found[2] ~= ARGV[1] then return nil end
if found[4] and found[4] ~= '' then
  return {found[1], found[2], found[3], found[4], found[5], 0, redis.call('EXISTS', ARGV[4] .. 'process:' .. found[4])}
end
redis.call('HSET', KEYS[1], 'process', ARGV[2], 'transport', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {found[1], found[2], found[3], ARGV[2], ARGV[3], 1, 1}
"""

# KEYS: record, inbox. ARGV: owner, item, most bytes or -1, prefix, lifetime in ms, the transport it must have or '', token.
# Answers an HTTP status.
_POST = """
local found = redis.call('HMGET', KEYS[1], 'owner', 'process', 'transport', 'unread', 'held')
if not found[1] or found[1] ~= ARGV[1] then return 404 end
if ARGV[6] == '' and found[3] == 'WebSockets' then return 405 end
if ARGV[6] ~= '' and found[3] ~= ARGV[6] then return 400 end
if found[2] and found[2] ~= '' and redis.call('EXISTS', ARGV[4] .. 'process:' .. found[2]) == 0 then return 404 end
if tonumber(ARGV[3]) >= 0 and (found[4] or 0) + (found[5] or 0) + #ARGV[2] > tonumber(ARGV[3]) then return 503 end
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('HINCRBY', KEYS[1], 'unread', #ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
if found[2] and found[2] ~= '' then redis.call('PUBLISH', ARGV[4] .. 'to:' .. found[2], 'inbox ' .. ARGV[7]) end
return 200
"""

# KEYS: record, inbox.
_TAKE = """
local items = redis.call('LRANGE', KEYS[2], 0, -1)
if #items > 0 then
  redis.call('DEL', KEYS[2])
  if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'unread', 0) end
end
return items
"""

# KEYS: record. ARGV: bytes.
_HOLD = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'held', ARGV[1]) end
"""

# KEYS: answers. ARGV: item, channel, wire, lifetime in ms.
_ANSWER = """
local waiting = redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[2], 'wire ' .. ARGV[3])
return waiting
"""


def own_seats(url: str, *, prefix: str, lease: float) -> LoopSeats:
    """Seats that this hub shares with its other processes, and with nobody else."""
    client = redis.Redis.from_url(url, socket_timeout=_WAIT_SECONDS, socket_connect_timeout=_WAIT_SECONDS)
    return LoopSeats(SharedSeats(client, breaker_of(url), prefix=prefix, lease=lease))


class Mailboxes:
    """One process's view. Methods raise Unavailable when Redis does not answer in two seconds."""

    def __init__(self, url: str, *, prefix: str, process: str, lease: float, offered: float) -> None:
        pool: ConnectionPool = ConnectionPool.from_url(
            url,
            max_connections=_QUESTIONS + 1,  # one listens
            socket_timeout=_WAIT_SECONDS,
            socket_connect_timeout=_WAIT_SECONDS,
            health_check_interval=15,
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._prefix = prefix
        self._process = process
        self._lease = int(lease * 1000)
        self._kept = int(lease * 10_000)
        self._offered = int(offered * 1000)
        self._scripts = {text: self._redis.register_script(text) for text in (_CLAIM, _POST, _TAKE, _HOLD, _ANSWER)}
        self._turns = asyncio.Semaphore(_QUESTIONS)
        self._breaker = breaker_of(url)

    def _key(self, kind: str, name: str = "") -> str:
        return f"{self._prefix}{kind}:{name}" if name else f"{self._prefix}{kind}"

    async def _run(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        return await self._ask(lambda: self._scripts[script](keys=keys, args=arguments))

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """One question; while Redis was away a moment ago, none: nobody waits for a time limit again and again."""
        async with self._turns:
            try:
                with self._breaker.asking("hubs do not hear of other processes"):
                    return await heeding(question())
            except Away as error:
                raise Unavailable from error

    async def patiently(self, question: Callable[[], Awaitable[_Answer | None]]) -> _Answer | None:
        """Ask for an open connection, which is worth a wait while Redis restarts: a restarted one may also have forgotten what it is
        about to be told again, so that None is asked again too. Unavailable when this takes longer than a lease."""
        end = time.monotonic() + self._lease / 1000
        while True:
            try:
                answer = await question()
                if answer is not None or time.monotonic() > min(end, self._breaker.ends_at + self._lease / 1000):
                    return answer
            except Unavailable:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS / 2)

    async def offer(self, token: str, record: Record) -> None:
        """A connection was negotiated; it waits so long for its transport."""
        await self._store([(token, record)], self._offered)

    async def keep(self, records: Iterable[tuple[str, Record]]) -> None:
        """Say again what is known of connections that live here."""
        await self._store(records, self._kept)

    async def _store(self, records: Iterable[tuple[str, Record]], lifetime: int) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for token, record in records:
            fields: dict[Any, Any] = {"id": record.connection_id, "owner": record.owner, "stateful": int(record.stateful)}
            pipe.hset(self._key("connection", token), mapping=fields | {"process": record.process, "transport": record.transport})
            pipe.pexpire(self._key("connection", token), lifetime)
            pipe.pexpire(self._key("inbox", token), lifetime)
        if len(pipe):
            await self._ask(pipe.execute)

    async def claim(self, token: str, owner: str, transport: str) -> Record | None:
        """The connection, made ours if it was nobody's; None when it does not exist or is another owner's."""
        arguments = [owner, self._process, transport, self._prefix, self._kept]
        found = await self._run(_CLAIM, [self._key("connection", token)], arguments)
        if found is None:
            return None
        connection_id, owner_found, stateful, process, its_transport = (value.decode() for value in found[:5])
        return Record(connection_id, owner_found, stateful == "1", process, its_transport, bool(found[5]), bool(found[6]))

    async def post(self, token: str, owner: str, item: bytes, *, transport: str = "", bounded: bool = False) -> int:
        """Put an item for the process that has the connection: 200, or the HTTP status of why not; 503 if it is `bounded` and too
        much waits to be read."""
        keys = [self._key("connection", token), self._key("inbox", token)]
        most = _INBOX_BYTES if bounded else -1
        status: int = await self._run(_POST, keys, [owner, item, most, self._prefix, self._kept, transport, token])
        return status

    async def hold(self, token: str, unread: int) -> None:
        """Say how many bytes were taken from a connection's inbox and are not read yet."""
        await self._run(_HOLD, [self._key("connection", token)], [unread])

    async def take(self, token: str) -> list[bytes]:
        """All that other processes put for a connection, in order."""
        items: list[bytes] = await self._run(_TAKE, [self._key("connection", token), self._key("inbox", token)], [])
        return items

    async def answer(self, process: str, wire: str, item: bytes) -> int:
        """Put an item for a request that waits in another process; how many it has not taken."""
        channel = self._key("to", process)
        waiting: int = await self._run(_ANSWER, [self._key("answers", wire)], [item, channel, wire, self._kept])
        return waiting

    async def answers(self, wire: str) -> list[bytes]:
        """What was put for a request that waits here, in order."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.lrange(self._key("answers", wire), 0, -1)
        pipe.delete(self._key("answers", wire))
        items: list[bytes] = (await self._ask(pipe.execute))[0]
        return items

    async def unanswered(self, wire: str) -> int:
        """How many items a request in another process has not taken."""
        count: int = await self._ask(lambda: self._redis.llen(self._key("answers", wire)))
        return count

    async def is_alive(self, process: str, token: str = "") -> bool:
        """Whether a process lives, and has the connection of a token."""
        keys = [self._key("process", process), *([self._key("connection", token)] if token else [])]
        return bool(await self._ask(lambda: self._redis.exists(*keys)) == len(keys))

    async def forget(self, token: str) -> None:
        await self._ask(lambda: self._redis.delete(self._key("connection", token), self._key("inbox", token)))

    async def heartbeat(self) -> bool:
        """Say that this process lives; False when Redis had forgotten it."""
        mine = self._key("process", self._process)
        known = await self._ask(lambda: self._redis.set(mine, 1, px=self._lease, xx=True))
        if not known:
            await self._ask(lambda: self._redis.set(mine, 1, px=self._lease))
        return bool(known)

    async def deregister(self) -> None:
        """This process has no connections any more."""
        await self._ask(lambda: self._redis.delete(self._key("process", self._process)))

    async def listen(self, heard: Callable[[str, str], Awaitable[None]], began: Callable[[], Awaitable[None]]) -> None:
        """For ever: what other processes say to this one, as a kind and a name; `began` whenever some of it may have been missed."""
        while True:
            try:
                await self._listen(heard, began)
            except (RedisError, OSError, TimeoutError, Unavailable) as error:
                logger.info("Redis does not answer (%s); trying again", type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _listen(self, heard: Callable[[str, str], Awaitable[None]], began: Callable[[], Awaitable[None]]) -> None:
        async with self._redis.pubsub() as subscription:
            await heeding(subscription.subscribe(self._key("to", self._process)))
            is_asked = False
            while True:
                message = await heeding(subscription.get_message(timeout=_WAIT_SECONDS))
                if message is None:
                    # A process that only listens never finds out by itself that nothing can come any more.
                    if is_asked:
                        raise TimeoutError
                    await heeding(subscription.ping())
                    is_asked = True
                    continue
                is_asked = False
                if message["type"] == "subscribe":
                    await began()
                elif message["type"] == "message":
                    kind, _, name = message["data"].decode().partition(" ")
                    await heard(kind, name)

    async def close(self) -> None:
        await self._redis.aclose()
