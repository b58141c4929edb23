"""The grammar of scripted faults, and the book that says which of them is due. The package's docstring explains it."""

import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

CALLS = ("create", "query", "retrieve", "download", "list", "cancel", "image", "download-image")
API_CALLS = ("create", "query", "retrieve", "list", "cancel", "image")
_DOWNLOADS = ("download", "download-image")

# A fault's calls, the first of which is meant when none is named.
_CALLS_OF = {
    "status": API_CALLS,
    "rate-limit": API_CALLS,
    "garbage": API_CALLS,
    "http": CALLS,
    "slow": CALLS,
    "cut": CALLS,
    "lost": ("create", "image", "cancel"),
    "truncate": _DOWNLOADS,
    "wrongtype": _DOWNLOADS,
    "drip": _DOWNLOADS,
    "expired": (*_DOWNLOADS, "retrieve"),
    "withheld": ("image",),
    "fail": ("create",),
    "failed": ("create",),
    "stuck": ("create",),
    "queued": ("create",),
    "late": ("create",),
    "unreachable": ("create",),
    "callbacks-off": ("create",),
    "callbacks-doubled": ("create",),
    "callbacks-late": ("create",),
    "callbacks-reordered": ("create",),
    "numbers": ("create",),
    "frames": ("create",),
    "frames-off": ("create",),
    "frames-jitter": ("create",),
    "unknown-status": ("create", "query"),
    "numeric-ids": ("create", "query", "retrieve"),
}
# The values a fault takes, inclusive; a fault that is not here takes none.
_RANGES = {
    "status": (1, 99_999),
    "http": (400, 599),
    "slow": (0, 600),
    "drip": (0, 600),
    "fail": (0, 99_999),
    "failed": (0, 99_999),
    "late": (0, 86_400),
    "callbacks-late": (0, 86_400),
    "frames": (1, 9_999),
    "frames-off": (-999, 999),
    "frames-jitter": (0, 999),
}
_FRACTIONS_ALLOWED = {"slow", "drip"}
# These make the job itself odd, for as long as it lives, when they come with its create.
_OF_THE_JOB = {
    "fail", "failed", "stuck", "queued", "late", "unknown-status", "numeric-ids", "numbers", "frames", "frames-off", "frames-jitter",
    "callbacks-off", "callbacks-doubled", "callbacks-late", "callbacks-reordered",
}  # fmt: skip
# These go together with any other fault of the same call.
_COMPANIONS = {
    "slow", "drip", "late", "unknown-status", "numeric-ids", "numbers", "frames", "frames-off", "frames-jitter",
    "callbacks-off", "callbacks-doubled", "callbacks-late", "callbacks-reordered",
}  # fmt: skip
# A create that is answered so makes no job, and uses up no fault of a job.
_REFUSALS = {"status", "rate-limit", "garbage", "http", "cut", "unreachable"}

_BLOCK = re.compile(r"\[\s*sandbox\s*:([^\[\]]*)\]", re.IGNORECASE)
_BLOCK_BEGINS = re.compile(r"\[\s*sandbox\b", re.IGNORECASE)


class Misspelt(ValueError):
    """A directive that the grammar does not know; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One fault of one call. `times` is how often it strikes; None means each time."""

    call: str
    name: str
    value: float = 0
    times: int | None = 1

    @property
    def of_the_job(self) -> bool:
        return self.call == "create" and self.name in _OF_THE_JOB

    def __str__(self) -> str:
        return f"{self.call} {self.name}" + (f"={self.value:g}" if self.name in _RANGES else "")


def parse_prompt(prompt: str) -> tuple[Directive, ...]:
    """The directives that stand in a prompt; raises Misspelt."""
    blocks = _BLOCK.findall(prompt)
    if len(blocks) != len(_BLOCK_BEGINS.findall(prompt)):
        raise Misspelt("a directive is written [sandbox: CALL FAULT; ...]")
    found = tuple(parse_directive(text) for block in blocks for text in block.split(";"))
    if len({str(directive) for directive in found}) != len(found):
        raise Misspelt("a directive is written twice: use times=N")
    return found


def parse_directive(text: str) -> Directive:
    """Read `[CALL] FAULT[=VALUE] [times=N|always]`; raises Misspelt."""
    words = text.lower().split()
    call = words.pop(0) if words and words[0] in CALLS else None
    times = _times(words.pop()) if words and words[-1].startswith("times=") else 1
    if len(words) != 1:
        raise Misspelt(f"'{text.strip()}' is not [CALL] FAULT[=VALUE] [times=N]")
    name, has_value, value = words[0].partition("=")
    if name == "frames" and value.startswith(("+", "-")):
        name = "frames-off"
    if name not in _CALLS_OF:
        raise Misspelt(f"'{name}' is not a fault: {', '.join(_CALLS_OF)}")
    call = call or _CALLS_OF[name][0]
    if call not in _CALLS_OF[name]:
        raise Misspelt(f"'{name}' is a fault of {' or '.join(_CALLS_OF[name])}, not of {call}")
    if has_value and name not in _RANGES:
        raise Misspelt(f"'{name}' takes no value")
    directive = Directive(call, name, _value(name, value) if name in _RANGES else 0, times)
    if directive.of_the_job and times != 1:
        raise Misspelt(f"'{name}' lasts as long as its job: it takes no times")
    return directive


def _times(word: str) -> int | None:
    value = word.removeprefix("times=")
    if value == "always":
        return None
    if not (value.isascii() and value.isdigit() and 1 <= len(value) <= 6 and int(value) > 0):
        raise Misspelt("times is a number from 1, or always")
    return int(value)


def _value(name: str, text: str) -> float:
    low, high = _RANGES[name]
    number = r"[0-9]{1,6}(\.[0-9]{1,6})?" if name in _FRACTIONS_ALLOWED else r"[+-]?[0-9]{1,6}" if low < 0 else r"[0-9]{1,6}"
    if not re.fullmatch(number, text) or not low <= float(text) <= high:
        raise Misspelt(f"'{name}' wants a number from {low} to {high}: {name}={low}")
    return float(text)


@dataclass(slots=True)
class FaultOrder:
    """A fault asked for at the control API: it strikes calls whose prompt or task id contains `match`."""

    directive: Directive
    match: str
    left: int | None

    @classmethod
    def parse(cls, wanted: Any) -> "FaultOrder":
        """Read `{"on", "fault", "times", "match"}`; raises Misspelt."""
        if not isinstance(wanted, dict) or not wanted.keys() <= {"on", "fault", "times", "match"}:
            raise Misspelt('a fault is an object of "on", "fault", and if need be "times" and "match"')
        on, fault, times, match = wanted.get("on"), wanted.get("fault"), wanted.get("times", 1), wanted.get("match", "")
        if on not in CALLS:
            raise Misspelt(f'"on" is one of {", ".join(CALLS)}')
        if not isinstance(fault, str) or len(fault.split()) != 1:
            raise Misspelt('"fault" is one fault, such as "status=1002"')
        if times in (None, "always"):
            times = None
        elif isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise Misspelt('"times" is a whole number from 1, or "always"')
        if not isinstance(match, str):
            raise Misspelt('"match" is a text')
        return cls(parse_directive(f"{on} {fault}"), match, times)

    def __str__(self) -> str:
        return f"control: {self.directive}"


class FaultBook:
    """Which faults strike a call: those of the prompt, counted for each job, then those ordered at the control API."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._struck: Counter[tuple[str, str]] = Counter()
        self._orders: list[FaultOrder] = []

    def order(self, order: FaultOrder) -> None:
        with self._lock:
            self._orders.append(order)

    def clear_orders(self) -> None:
        with self._lock:
            self._orders.clear()

    def strike(self, call: str, subject: str, directives: Iterable[Directive], names: tuple[str, ...]) -> list[tuple[Directive, str]]:
        """The faults of this call, each with what the log says of it, counted as used.

        `subject` is whose strikes are counted: the prompt of a create, the task id of any other call. Of faults that
        exclude each other only the first in line strikes; the others keep their turn.
        """
        with self._lock:
            due: list[tuple[Directive, str, FaultOrder | None]] = [
                (directive, str(directive), None)
                for directive in directives
                if directive.call == call and not directive.of_the_job and self._has_turns(subject, directive)
            ]
            due += [(order.directive, str(order), order) for order in self._orders if self._applies(order, call, names)]
            first = next((directive for directive, _, _ in due if directive.name not in _COMPANIONS), None)
            refused = first is not None and first.name in _REFUSALS
            struck = [
                entry for entry in due if entry[0] is first or (entry[0].name in _COMPANIONS and not (refused and entry[0].of_the_job))
            ]
            for directive, _, order in struck:
                self._count(subject, directive, order)
            return [(directive, label) for directive, label, _ in struck]

    def restore(self, subject: str, labels: Iterable[str]) -> None:
        """Count strikes that an earlier process logged."""
        with self._lock:
            self._struck.update((subject, label) for label in labels)

    def forget(self, call: str, subject: str) -> None:
        """The next create, or image, with this prompt meets its faults anew."""
        with self._lock:
            for key in [key for key in self._struck if key[0] == subject and key[1].startswith(f"{call} ")]:
                del self._struck[key]

    def _has_turns(self, subject: str, directive: Directive) -> bool:
        return directive.times is None or self._struck[subject, str(directive)] < directive.times

    def _applies(self, order: FaultOrder, call: str, names: tuple[str, ...]) -> bool:
        return order.left != 0 and order.directive.call == call and any(order.match in name for name in names)

    def _count(self, subject: str, directive: Directive, order: FaultOrder | None) -> None:
        if order is None:
            self._struck[subject, str(directive)] += 1
        elif order.left is not None:
            order.left -= 1
            if order.left == 0:
                self._orders.remove(order)
