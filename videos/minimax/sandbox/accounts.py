"""The accounts of the sandbox: each has a key, and may have a pace and a balance, of its own, and sees no other's jobs."""

import hmac
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from videos.minimax.sandbox.faults import Misspelt
from videos.minimax.sandbox.jsonlines import JsonLines
from videos.minimax.sandbox.messages import Refused

# The account of `--api-key`, and of what was made when there was but one.
MAIN = "main"
_MINUTE = 60.0
_PACE_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Account:
    """`pace`: creates, images among them, that are accepted within any minute; `balance`: USD that it had at first. None: any."""

    name: str
    key: str
    pace: int | None = None
    balance: Decimal | None = None

    @classmethod
    def parse(cls, text: str) -> "Account":
        """Read `NAME=KEY[,pace=N][,balance=USD]`; raises Misspelt."""
        found, *bounds = text.strip().split(",")
        name, _, key = found.partition("=")
        if not re.fullmatch(r"[a-z0-9-]{1,40}", name) or not re.fullmatch(r"[!-~]+", key):
            raise Misspelt(f"'{text}' is not NAME=KEY[,pace=N][,balance=USD]")
        return cls(name, key).changed({field: value for field, _, value in (bound.partition("=") for bound in bounds)})

    def changed(self, fields: dict[str, Any]) -> "Account":
        """With another `key`, `pace` or `balance`, as the control API takes them; raises Misspelt."""
        if unknown := fields.keys() - {"key", "pace", "balance"}:
            raise Misspelt(f"'{min(unknown)}' is none of key, pace, balance")
        changes: dict[str, Any] = {}
        if "key" in fields:
            changes["key"] = str(fields["key"] or "")
        if "pace" in fields:
            changes["pace"] = None if fields["pace"] is None else _whole(fields["pace"])
        if "balance" in fields:
            changes["balance"] = None if fields["balance"] is None else _amount(fields["balance"])
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "key": self.key, "pace": self.pace, "balance": None if self.balance is None else str(self.balance)}


def _whole(value: Any) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", str(value)) or int(value) > _PACE_MOST:
        raise Misspelt(f"pace is a number from 0 to {_PACE_MOST}")
    return int(value)


def _amount(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount < 10**9:
        raise Misspelt("balance is an amount of USD, such as 5.00")
    return amount


class Accounts:
    """All of them. What was changed at the control API is kept over a restart. Safe to use from any thread."""

    def __init__(self, home: Path, found: Sequence[Account], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._journal = JsonLines(home / "accounts.jsonl")
        self._by_name = {account.name: account for account in found}
        # Each is ordered with by one call at a time, so that no two take the last place of a minute.
        self._gates = {account.name: threading.Lock() for account in found}
        for record in self._journal:
            if account := self._by_name.get(record["name"]):
                self._by_name[account.name] = account.changed({name: value for name, value in record.items() if name != "name"})

    def of_key(self, authorization: str | None) -> Account:
        """Raises Refused for a key that is nobody's."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(1004)
        given = key.strip().encode()
        for account in self:
            if account.key and hmac.compare_digest(given, account.key.encode()):
                return account
        raise Refused(2049)

    def change(self, name: str, fields: dict[str, Any]) -> Account:
        """Raises Misspelt; LookupError when there is none of that name."""
        with self._lock:
            account = self._by_name[name].changed(fields)
            self._journal.append({"name": name} | {field: account.as_json()[field] for field in fields})
            self._by_name[name] = account
            return account

    def __iter__(self) -> Iterator[Account]:
        with self._lock:
            return iter(list(self._by_name.values()))

    @contextmanager
    def room(self, account: Account, price: Decimal, *, accepted: Callable[[float], int], spent: Callable[[], Decimal]) -> Iterator[None]:
        """What is accepted within the block is within the account's pace and balance.

        `accepted`: how many it had accepted since that moment; `spent`: USD that it was billed.

        Raises:
            Refused: it would not be.
        """
        with self._gates[account.name]:
            if account.pace is not None and accepted(self._clock() - _MINUTE) >= account.pace:
                raise Refused(1002)
            if account.balance is not None and spent() + price > account.balance:
                raise Refused(1008)
            yield

    def close(self) -> None:
        self._journal.close()


def all_of(api_key: str, further: Iterable[Account]) -> list[Account]:
    """The main account and the others; raises Misspelt when two have one name or one key."""
    found = [Account(MAIN, api_key), *further]
    if len({account.name for account in found}) < len(found) or len({account.key for account in found}) < len(found):
        raise Misspelt(f"accounts have names and keys of their own; '{MAIN}' is the one of --api-key")
    return found
