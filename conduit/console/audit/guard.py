"""No page of a model changes anything without a row in the audit, whatever its code forgets."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpRequest

from keys import audit
from keys.models import AuditEntry

Answer = TypeVar("Answer")

_WRITE = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+\"?(\w+)", re.IGNORECASE)
# What every page may write: sessions and messages, Django's own history of a row, what the place is told of itself.
_NOT_AUDITED = re.compile(r"django_session|django_admin_log|conditions_\w+")
_AUDIT = AuditEntry._meta.db_table
_compared: ContextVar[set[str] | None] = ContextVar("audit_compared", default=None)
_SAVEPOINT = re.compile(r"(ROLLBACK TO )?SAVEPOINT (\S+)")


class Unaudited(Exception):
    """A page wrote something and said nothing of it: its transaction is rolled back, and the page has a fault to be mended."""


class _Writes:
    """Notes which tables a connection writes to, and whether the audit was one of them; what is rolled back is forgotten."""

    def __init__(self) -> None:
        self._tables: frozenset[str] = frozenset()
        self._at_savepoints: dict[str, frozenset[str]] = {}

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        text = str(sql)
        # A statement that met no row wrote nothing; of one that gives its rows back SQLite counts them when they were read.
        if (found := _WRITE.match(text)) and (context["cursor"].rowcount or " RETURNING " in text):
            self._tables |= {found[1]}
        elif found := _SAVEPOINT.fullmatch(text):
            rolled_back, name = found.groups()
            if rolled_back:
                self._tables = self._at_savepoints[name]
            else:
                self._at_savepoints[name] = self._tables
        return answer

    def unrecorded(self, compared: set[str]) -> list[str]:
        """The tables that were written to without a row of the audit, but for those whose row is as it was."""
        written = () if _AUDIT in self._tables else self._tables - compared
        return sorted(table for table in written if not _NOT_AUDITED.fullmatch(table))


def is_as_it_was(row: Model) -> None:
    """Django's forms write what nobody changed too: that needs no row in the audit."""
    compared = _compared.get()
    if compared is not None:
        compared.add(row._meta.db_table)


def guarded(request: HttpRequest, view: Callable[[], Answer]) -> Answer:
    """What the view answers, all that it writes in one transaction with the rows of the audit.

    Raises:
        Unaudited: it wrote, and there is no such row.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return view()
    writes, compared = _Writes(), set[str]()
    with transaction.atomic(), audit.tracing(), connection.execute_wrapper(writes):
        token = _compared.set(compared)
        try:
            answer = view()
        finally:
            _compared.reset(token)
        if tables := writes.unrecorded(compared):
            raise Unaudited(f"{request.path} wrote to {', '.join(tables)} and recorded nothing (keys.audit.record)")
    return answer
