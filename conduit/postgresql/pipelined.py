"""A connection of the event loop over which statements leave together, and which hears their answers as they come (libpq's pipeline mode).

psycopg's own pipelines take four times the processor for it: a cursor for each statement, and a task for each wait. Here the loop is
told once of each socket. All of it is by psycopg's documented low level (pq).
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer


class Pipelined(ABC):
    """What becomes of an answer, and of an end, is told by what kind of a connection it is."""

    def __init__(self, opened: psycopg.AsyncConnection[Any]) -> None:
        self._opened = opened
        self._libpq = opened.pgconn
        self._libpq.enter_pipeline_mode()
        self._adapting = Transformer(opened)
        self._has_ended = self._is_deaf = False
        self._loop = asyncio.get_running_loop()
        self._socket = self._libpq.socket
        self._loop.add_reader(self._socket, self._read)

    @abstractmethod
    def _waits(self) -> bool:
        """Whether answers are under way."""

    @abstractmethod
    def _take(self, result: "pq.abc.PGresult | None") -> None:
        """What libpq has next: an answer, that a statement has no more of them, or that a batch ends."""

    @abstractmethod
    def _broke(self, error: psycopg.Error) -> None:
        """The connection is of no use any more."""

    def _leave(self) -> None:
        """Have what was given to libpq leave, as one batch. Raises psycopg.Error."""
        self._libpq.pipeline_sync()
        self._flush()

    def _flush(self) -> None:
        if self._libpq.flush() and not self._is_deaf:
            self._loop.add_writer(self._socket, self._flush_on)

    def _flush_on(self) -> None:
        try:
            if not self._libpq.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error as error:
            self._broke(error)

    def _read(self) -> None:
        """Called whenever there is something to read."""
        try:
            self._libpq.consume_input()
            while self._waits() and not self._libpq.is_busy():
                self._take(self._libpq.get_result())
        except psycopg.Error as error:
            self._broke(error)

    def _deaf(self) -> None:
        """Hear nothing more of it. Once: libpq closes the socket of a connection that broke, and its number may be another's by then,
        which would hear nothing more: a client's, or one of ours."""
        if not self._is_deaf:
            self._is_deaf = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)

    def finish(self) -> None:
        """Close it, at once. Again is fine."""
        if not self._has_ended:
            self._has_ended = True
            self._deaf()
            self._libpq.finish()

    def _rows(self, result: "pq.abc.PGresult") -> list[tuple[Any, ...]]:
        self._adapting.set_pgresult(result)
        return self._adapting.load_rows(0, result.ntuples, tuple)
