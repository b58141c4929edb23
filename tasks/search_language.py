"""What people write to find tasks: words and qualifiers, read without asking anybody.

    a red boat  key:batch-eu status:failed,cancelled -error:rate_limit created:>2d cost>0.5 meta:shot=12 "exactly this"

A part is a word, or a qualifier with one or several values; a `-` before it leaves out what it would find. All parts have to
hold. `tasks.search_meaning` finds out what they mean here and now.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from conduit.api.errors import InvalidRequest
from conduit.api.pagination import parse_moment

TEXT_MAX, TERMS_MAX, VALUES_MAX = 500, 20, 20

# What each qualifier is, told where another was written.
QUALIFIERS = {
    "id": "a task's id, or its end",
    "key": "a key's name or number (#7)",
    "team": "a team's name or number",
    "model": "a model's name, as it was asked for",
    "status": "queued, processing, completed, failed, cancelled; active, ended",
    "stage": "what happens right now, such as generating",
    "error": "why it failed, such as content_policy_violation",
    "refused": "what the last step of a task under way was refused for, such as rate_limit",
    "waits": "the line that it waits in: own_limit, fair_share, rate, media",
    "prompt": "words of the prompt",
    "provider": "MiniMax's id of a job, a file or a call (trace id)",
    "meta": "metadata, as name=value or name",
    "size": "such as 1280x720",
    "seconds": "the length asked for",
    "cost": "USD: charged, or held while it is under way",
    "wait": "how long it has been in its stage, such as wait>10m",
    "created": "a day, >2d (within two days), <2026-11-01 (before), or from..to",
    "started": "when MiniMax accepted it, as created:",
    "ended": "when it was completed, failed or was cancelled, as created:",
}
# Those that are compared, and those that can be nothing else.
MOMENTS = frozenset({"created", "started", "ended"})
_COMPARED, _ONLY_COMPARED = frozenset({"cost", "seconds", "wait"}) | MOMENTS, frozenset({"wait"})
# Shown with an order, these may follow the colon too: `created:>2d`, `cost:<1`.
_PART = re.compile(r'(?P<minus>-?)(?:(?P<name>[A-Za-z_]+)(?P<operator>:(?:[<>]=?)?|[<>]=?))?(?P<rest>(?:"(?:[^"\\]|\\.)*"|[^\s"])*)')
_VALUE = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^",]+)|(?P<comma>,)')
_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(s|m|h|d|w)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DAY = timedelta(days=1)


class NotUnderstood(InvalidRequest):
    """A part of a search that means nothing. `part` is as it was written."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"`{part}` is not understood: {problem}", param="q")
        self.part, self.problem = part, problem


@dataclass(frozen=True)
class Term:
    """One part. `name` is a qualifier, or empty for words; `operator` is `:`, `<`, `<=`, `>` or `>=`."""

    text: str = field(compare=False)
    name: str
    operator: str
    values: tuple[str, ...]
    excluded: bool = False


def parse(text: str) -> list[Term]:
    """The parts of a search, in their order.

    Raises:
        NotUnderstood: one of them is none.
    """
    if len(text) > TEXT_MAX:
        raise NotUnderstood(f"{text[:40]}…", f"a search has at most {TEXT_MAX} characters.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise NotUnderstood("\\0", "it holds what is no character.")
    terms = [_term(part) for part in _parts(text)]
    if len(terms) > TERMS_MAX:
        raise NotUnderstood(terms[TERMS_MAX].text, f"a search has at most {TERMS_MAX} parts.")
    return terms


def written(terms: Sequence[Term]) -> str:
    """The search that these parts make."""
    return " ".join(term.text for term in terms)


def quoted(value: str) -> str:
    """A value as it is written in a search."""
    plain = re.fullmatch(r'[^\s",<>\\:-][^\s",\\]*', value)
    return value if plain else '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))


def _parts(text: str) -> Iterator[str]:
    """Split at spaces that are not in quotes."""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _PART.match(text, position)
        end = match.end() if match else position
        if match is None or end == position or (end < len(text) and not text[end].isspace()):
            raise NotUnderstood(text[position:].split()[0], 'its quotes have no end: write a " after what they hold, or leave them out.')
        yield match.group()
        position = end


def _term(part: str) -> Term:
    match = _PART.fullmatch(part)
    assert match  # noqa: S101 - _parts found it so
    name, operator, rest = (match[group] or "" for group in ("name", "operator", "rest"))
    excluded = bool(match["minus"])
    if not name:
        if not rest:
            raise NotUnderstood(part, "write what to leave out right after the `-`.")
        return Term(part, "", ":", (_text(rest),), excluded)
    name = name.lower()
    if name not in QUALIFIERS:
        known = ", ".join(f"{known}:" for known in QUALIFIERS)
        advice = 'To look for the words themselves put them in quotes: "…"'
        raise NotUnderstood(part, f"there is no `{name}{operator}`. There are {known}. {advice}")
    operator = operator.removeprefix(":") or ":"
    if operator != ":" and name not in _COMPARED:
        raise NotUnderstood(part, f"`{name}` has no order: write {name}:VALUE.")
    if operator == ":" and name in _ONLY_COMPARED:
        raise NotUnderstood(part, f"write {name}>10m for longer than ten minutes, {name}<10m for less.")
    values = tuple(_values(part, name, rest))
    if operator != ":" and len(values) > 1:
        raise NotUnderstood(part, "one value can be compared with, not several.")
    return Term(part, name, operator, values, excluded)


def _values(part: str, name: str, rest: str) -> Iterator[str]:
    found, value = 0, None
    for piece in _VALUE.finditer(rest):
        if piece["comma"]:
            if not value:
                break
            yield value
            found, value = found + 1, None
        else:
            value = (value or "") + _unescaped(piece["quoted"]) if piece["quoted"] is not None else (value or "") + piece["bare"]
    if not value:
        raise NotUnderstood(part, f"a value is missing. `{name}:` takes {QUALIFIERS[name]}.")
    if found >= VALUES_MAX:
        raise NotUnderstood(part, f"it has more than {VALUES_MAX} values.")
    yield value


def _text(rest: str) -> str:
    """Words as they were written, without their quotes."""
    text = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda match: _unescaped(match[1]), rest)
    if not text.strip():
        raise NotUnderstood(rest, "there is nothing in the quotes.")
    return text


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


# ---- Values that are compared -------------------------------------------------------------------------------------------


def amount(term: Term) -> Decimal:
    """USD. Raises NotUnderstood."""
    try:
        number = Decimal(term.values[0]) if re.fullmatch(r"\d{1,8}(\.\d{1,4})?|\.\d{1,4}", term.values[0], re.ASCII) else None
    except InvalidOperation:  # pragma: no cover - the pattern takes numbers alone
        number = None
    if number is None:
        raise NotUnderstood(term.text, "an amount of USD is a number such as 0.5, with at most four decimals.")
    return number


def whole(term: Term, value: str) -> int:
    """A whole number. Raises NotUnderstood."""
    if not re.fullmatch(r"\d{1,5}", value, re.ASCII):
        raise NotUnderstood(term.text, "a whole number is needed, such as 6.")
    return int(value)


def span(term: Term) -> timedelta:
    """A length of time. Raises NotUnderstood."""
    found = _span(term.values[0])
    if found is None:
        raise NotUnderstood(term.text, "a length of time is a number with its unit: 30s, 10m, 2h, 3d or 1w.")
    return found


def _span(value: str) -> timedelta | None:
    match = _SPAN.fullmatch(value.lower())
    if not match or (seconds := float(match[1]) * _SECONDS[match[2]]) > 100 * 366 * 86_400:
        return None
    return timedelta(seconds=seconds)


@dataclass(frozen=True)
class Between:
    """From `start` on, until right before `end`; None is without an end on that side."""

    start: datetime | None
    end: datetime | None


def between(term: Term, now: datetime) -> Between:
    """What `created:`, `started:` or `ended:` says. Raises NotUnderstood."""
    if len(term.values) > 1:
        raise NotUnderstood(term.text, "one day or span of time, not several: write from..to.")
    value = term.values[0]
    try:
        match term.operator:
            case ">" | ">=":
                start, end = _moments(value, now)
                return Between(end if term.operator == ">" and end != start else start, None)
            case "<" | "<=":
                start, end = _moments(value, now)
                return Between(None, end if term.operator == "<=" else start)
        first, dots, last = value.partition("..")
        if dots:
            return _checked(term, Between(_moments(first, now)[0] if first else None, _moments(last, now)[1] if last else None))
        return Between(*_moments(value, now, alone=True))
    except (ValueError, OverflowError):
        raise NotUnderstood(
            term.text,
            "write a day such as 2026-11-01, `today` or `yesterday`, from..to, or > and < with a day, a moment (2026-11-01T14:00Z) "
            "or a length of time (>2d: within the last two days).",
        ) from None


def _checked(term: Term, found: Between) -> Between:
    if (found.start is None and found.end is None) or (found.start and found.end and found.end < found.start):
        raise NotUnderstood(term.text, "it ends before it begins.")
    return found


def _moments(value: str, now: datetime, *, alone: bool = False) -> tuple[datetime, datetime]:
    """Where a day begins and ends; a moment is both. ValueError for what is neither."""
    ago = _span(value)
    if ago is not None:
        if alone:
            raise ValueError(value)
        return now - ago, now - ago
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if value.lower() in ("today", "yesterday"):
        day = midnight if value.lower() == "today" else midnight - _DAY
        return day, day + _DAY
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        on = date.fromisoformat(value)
        day = datetime(on.year, on.month, on.day, tzinfo=UTC)
        return day, day + _DAY
    moment = _moment(value)
    return moment, moment + timedelta(seconds=1) if alone else moment


def _moment(value: str) -> datetime:
    try:
        moment = parse_moment({"created": value}, "created")
    except InvalidRequest as error:
        raise ValueError(value) from error
    assert moment is not None  # noqa: S101 - the name is there
    return moment
