"""What a search means here and now: names become ids, ends of ids become tasks, words become comparisons."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q, TextField
from django.db.models.fields.json import compile_json_path  # type: ignore[attr-defined] # it is there
from django.db.models.functions import Cast, Right

from conduit.api.pagination import parse_row_id
from keys.models import Team, VirtualKey
from tasks import kinds
from tasks.ids import not_made_before
from tasks.models import ACTIVE, TAIL_CHARACTERS, Status, Task, TaskEvent
from tasks.search import Comparison, Wanted, all_of, any_of, is_after, is_before, is_one_of
from tasks.search_language import MOMENTS, Between, NotUnderstood, Term, amount, between, parse, span, whole

# Tasks that an end of an id, or its beginning, may mean; keys and teams that a name may mean.
IDS_MAX, NAMES_MAX = 100, 50
# Events of a span of time by which it is known how old its tasks are.
EVENTS_LOOKED_AT = 5_000
# A moment of a task and that of its event are read one after the other; and events may be deleted while a search goes on.
_BESIDE, _FORGOTTEN_BEFORE = timedelta(minutes=1), timedelta(days=1)
# A shorter end of an id than TAIL_CHARACTERS is looked for among the rows that are looked at.
SHORTEST_TAIL = 4
# A word that long, with a digit in it, may be an id that MiniMax gave.
_PROVIDER_ID = re.compile(r"(?=.*\d)[\w-]{12,}", re.ASCII)
_ID = re.compile(f"[0-9a-f-]{{{SHORTEST_TAIL},36}}")

_STATUSES = {
    **{str(status): frozenset({str(status)}) for status in Status},
    "active": frozenset(map(str, ACTIVE)),
    "ended": frozenset(Status.values) - frozenset(map(str, ACTIVE)),
}
_UNDER_WAY = Wanted(status=_STATUSES["active"])


@dataclass(frozen=True)
class Meaning:
    """A search, and the parts that it is made of."""

    wanted: Wanted
    terms: tuple[Term, ...]


def meaning_of(text: str, now: datetime) -> Meaning:
    """Ask the database for what the search names, in a query or two for each part that names something.

    Raises:
        NotUnderstood: a part means nothing, or names what there is not.
    """
    terms = parse(text)
    return Meaning(reduce(and_, (_wanted(term, now) for term in terms), Wanted()), tuple(terms))


def _wanted(term: Term, now: datetime) -> Wanted:
    if term.name == "wait":
        return _waits(term, now)
    if term.name in MOMENTS:
        return _moments(term, now)
    if term.excluded:
        return _excluded(term)
    return _MEANINGS[term.name](term)


def _excluded(term: Term) -> Wanted:
    """All but what the term finds."""
    found = _MEANINGS[term.name](term)
    if term.name == "status":
        return Wanted(status=frozenset(Status.values) - (found.status or frozenset()))
    comparisons = [*found.further, *_as_comparisons(found)]
    return Wanted(further=(all_of(comparisons).negated(),))


def _as_comparisons(wanted: Wanted) -> Iterable[Comparison]:
    for name in ("key_id", "team_id", "model", "status", "stage", "error_code"):
        if (values := getattr(wanted, name)) is not None:
            yield is_one_of(name, values)
    if wanted.task_ids is not None:
        yield is_one_of("id", wanted.task_ids)


# ---- What each qualifier means --------------------------------------------------------------------------------------------


def _statuses(term: Term) -> Wanted:
    found: frozenset[str] = frozenset()
    for value in term.values:
        if value.lower() not in _STATUSES:
            raise NotUnderstood(term.text, f"`{value}` is no status. There are {', '.join(_STATUSES)}.")
        found |= _STATUSES[value.lower()]
    return Wanted(status=found)


def _keys(term: Term) -> Wanted:
    return Wanted(key_id=frozenset().union(*(_named(VirtualKey, term, value) for value in term.values)))


def _teams(term: Term) -> Wanted:
    return Wanted(team_id=frozenset().union(*(_named(Team, term, value) for value in term.values)))


def _named(model: Any, term: Term, value: str) -> frozenset[int]:
    """The ids of the keys or teams of that name, of a name that begins so (`batch*`), or with that number (`#7`: with no other)."""
    if value.startswith("#") and (number := parse_row_id(value[1:])) is not None:
        return frozenset({number})  # whatever is named so
    start = value.removesuffix("*")
    named = Q(name__istartswith=start) if start != value else Q(name__iexact=value)
    found = list(model.objects.filter(named).order_by("pk").values_list("pk", flat=True)[: NAMES_MAX + 1])
    if len(found) > NAMES_MAX:
        raise NotUnderstood(term.text, f"more than {NAMES_MAX} {term.name}s are named so. Write more of the name.")
    if not found and (number := parse_row_id(value)) is not None:
        # A team that is gone is known by its number alone.
        found = [number] if model is Team or model.objects.filter(pk=number).exists() else []
    if not found:
        raise NotUnderstood(term.text, f"there is no {term.name} `{value}`. Write its whole name, its beginning and a *, or its number.")
    return frozenset(found)


def _ids(term: Term) -> Wanted:
    known: set[UUID] = set()
    tails: list[Comparison] = []
    for value in term.values:
        text = value.strip("…").lower()
        if not _ID.fullmatch(text):
            raise NotUnderstood(term.text, f"a task's id, or at least the last {SHORTEST_TAIL} characters of it, is needed: 0-9 and a-f.")
        if len(text.replace("-", "")) < TAIL_CHARACTERS:
            tails.append(_ends_with(text))
        else:
            known |= tasks_known_as(text)
    if not tails:
        return Wanted(task_ids=frozenset(known))
    return Wanted(further=(any_of([is_one_of("id", known), *tails]),))


def tasks_known_as(text: str) -> frozenset[UUID]:
    """The tasks whose id is, ends or begins with that: at least TAIL_CHARACTERS hexadecimal digits."""
    digits = text.replace("-", "")
    if len(digits) == 32:
        return frozenset(Task.objects.filter(pk=UUID(digits)).values_list("pk", flat=True))
    # Its index holds the last characters alone.
    tail = Task.objects.annotate(tail=Right(Cast("pk", TextField()), TAIL_CHARACTERS)).filter(tail=digits[-TAIL_CHARACTERS:])
    found = {pk for pk in tail.order_by().values_list("pk", flat=True)[:IDS_MAX] if pk.hex.endswith(digits)}
    if not found:
        first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
        found = set(Task.objects.filter(pk__gte=first, pk__lte=last).order_by("-pk").values_list("pk", flat=True)[:IDS_MAX])
    return frozenset(found)


def _provider(term: Term) -> Wanted:
    return Wanted(task_ids=frozenset(pk for value in term.values for pk in kinds.with_provider_id(value)))


def _meta(term: Term) -> Wanted:
    return Wanted(further=(any_of([_metadata(term, *value.partition("=")) for value in term.values]),))


def _metadata(term: Term, name: str, equals: str, value: str) -> Comparison:
    if not name:
        raise NotUnderstood(term.text, "write the metadata's name: meta:name=value, or meta:name for any value.")
    return metadata_is(name, value if equals else None)


def metadata_is(name: str, value: str | None) -> Comparison:
    """That the metadata has that value under that name; None: any."""
    if connection.vendor == "postgresql":
        read, path = "metadata ->> CAST(%s AS text)", name
    else:
        read, path = "json_extract(metadata, %s)", compile_json_path([name])
    if value is not None:
        return Comparison(["metadata"], f"{read} = CAST(%s AS text)", [path, value])
    return Comparison(["metadata"], f"{read} IS NOT NULL", [path])


def _cost(term: Term) -> Wanted:
    operator = "=" if term.operator == ":" else term.operator
    of_task = Comparison(["charged", "price"], f"COALESCE(charged, price) {operator} CAST(%s AS numeric)", [str(amount(term))])
    return Wanted(further=(of_task,))


def _seconds(term: Term) -> Wanted:
    operator = "=" if term.operator == ":" else term.operator
    return Wanted(further=(any_of([_of_kinds("seconds", f"{operator} %s", [whole(term, value)]) for value in term.values]),))


def _size(term: Term) -> Wanted:
    return Wanted(further=(any_of([_of_kinds("size", "= %s", [value.lower()]) for value in term.values]),))


def _prompt(term: Term) -> Wanted:
    return Wanted(further=(any_of([_in_prompt(value) for value in term.values]),))


def _words(term: Term) -> Wanted:
    """A word is an id where it can be one; else it is in the prompt or in the key's name, or ends the id."""
    (word,) = term.values
    text = word.strip("…").lower()
    is_id = _ID.fullmatch(text) is not None
    if is_id and len(text.replace("-", "")) >= TAIL_CHARACTERS and (known := tasks_known_as(text)):
        return Wanted(task_ids=known)
    if _PROVIDER_ID.fullmatch(word) and (known := frozenset(kinds.with_provider_id(word))):
        return Wanted(task_ids=known)
    keys = VirtualKey.objects.filter(name__icontains=word).order_by("-pk").values_list("pk", flat=True)[:NAMES_MAX]
    found = [_in_prompt(word), is_one_of("key_id", list(keys)), *([_ends_with(text)] if is_id else [])]
    return Wanted(further=(any_of(found),))


def _waits(term: Term, now: datetime) -> Wanted:
    longer = is_before("stage_since", now - span(term)) if term.operator.startswith(">") else is_after("stage_since", now - span(term))
    return _UNDER_WAY & Wanted(further=(longer.negated() if term.excluded else longer,))


def _moments(term: Term, now: datetime) -> Wanted:
    found = between(term, now)
    just_before = found.start - timedelta(microseconds=1) if found.start else None
    if term.name == "created" and not term.excluded:
        return Wanted(created_after=just_before, created_before=found.end)
    column = f"{term.name}_at"
    bounds = [is_after(column, just_before)] if just_before else []
    bounds += [is_before(column, found.end)] if found.end else []
    if term.excluded:
        return Wanted(further=(all_of(bounds).negated(),))
    # It was created before: what came later is not looked at, and what is too old neither. Of those under way none has ended.
    wanted = Wanted(created_after=_none_made_before(found, now), created_before=found.end, further=tuple(bounds))
    return wanted & Wanted(status=_STATUSES["ended"]) if term.name == "ended" else wanted


def _none_made_before(found: Between, now: datetime) -> datetime | None:
    """A moment before which no task was made that got anywhere in that time, by the events of it: a search ends there, and says that it
    found all. None where there were too many, or some may be forgotten by now.
    """
    if found.start is None or found.start < now - timedelta(days=settings.EVENTS_KEPT_DAYS) + _FORGOTTEN_BEFORE:
        return None
    events = TaskEvent.objects.filter(created_at__gte=found.start - _BESIDE)
    if found.end:
        events = events.filter(created_at__lt=found.end + _BESIDE)
    task_ids = list(events.order_by("created_at").values_list("task_id", flat=True)[: EVENTS_LOOKED_AT + 1])
    if len(task_ids) > EVENTS_LOOKED_AT:
        return None
    return not_made_before(min(task_ids)) if task_ids else found.start


_MEANINGS: Mapping[str, Callable[[Term], Wanted]] = {
    "": _words,
    "id": _ids,
    "key": _keys,
    "team": _teams,
    "model": lambda term: Wanted(model=frozenset(term.values)),
    "status": _statuses,
    "stage": lambda term: Wanted(stage=frozenset(term.values)),
    "error": lambda term: Wanted(error_code=frozenset(term.values)),
    "refused": lambda term: _UNDER_WAY & Wanted(further=(is_one_of("last_error_code", term.values),)),
    "waits": lambda term: _UNDER_WAY & Wanted(further=(is_one_of("waits_for", term.values),)),
    "prompt": _prompt,
    "provider": _provider,
    "meta": _meta,
    "size": _size,
    "seconds": _seconds,
    "cost": _cost,
}


# ---- Comparisons ----------------------------------------------------------------------------------------------------------


def _in_prompt(text: str) -> Comparison:
    return _of_kinds("prompt", f"{'ILIKE' if connection.vendor == 'postgresql' else 'LIKE'} %s ESCAPE '\\'", [f"%{_literally(text)}%"])


def _ends_with(tail: str) -> Comparison:
    return Comparison(["id"], "CAST(looked_at.id AS text) LIKE %s", [f"%{tail}"])


def _of_kinds(name: str, compared: str, values: list[Any]) -> Comparison:
    """By what a task's kind keeps of it: read for each row by its primary key, never joined, so that no plan reads the whole table."""
    reads = [f"(SELECT {column.name} FROM {column.table} WHERE {column.task} = looked_at.id)" for column in kinds.searched(name)]  # noqa: S608
    read = f"COALESCE({', '.join(reads)})" if len(reads) > 1 else reads[0]
    return Comparison(["id"], f"{read} {compared}", values)


def _literally(text: str) -> str:
    """As LIKE reads it."""
    return re.sub(r"([\\%_])", r"\\\1", text)
