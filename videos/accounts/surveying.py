"""Telling those in line where they stand, and when their turn comes: once a second, by the process that deals.

The line is served in thought, to its end. What is shown is written where it changed by more than anybody minds: exactly for those whose
turn is near, ever more roughly the further it is, so that a long line costs few writes. A place that was told does not rise again: those
that come later may be served earlier, and are told so, but nobody is sent back for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from conduit import clock
from keys.models import PRIORITY_MOST
from tasks import outlooks, progress, shares
from tasks.models import ACTIVE, FAIR_SHARE, RATE, Status, Task
from tasks.progress import Legs
from tasks.shares import Flow, Tree, Waiting
from videos.account_models import ProviderAccount
from videos.accounts import spending
from videos.accounts.dealing import Kind, Line, lines_of
from videos.models import VideoModel
from videos.queue_models import IN_LINE, QueuedCreate
from videos.stages import Stage

# Places up to here are told exactly; further ones when they are off by this share.
EXACT, OFF = 50, 0.05
# A time is told anew when it is off by so many seconds, or by that share of what is left.
OFF_SECONDS, OFF_TIME = 1.0, 0.1
# Told by one survey at most: those whose turn is near first.
TOLD_MOST = 1000


class Stands(NamedTuple):
    """One in line, with what its task shows."""

    task_id: UUID
    key_id: int
    team_id: int | None
    api: str
    model: str
    upstream: str
    roles: str
    seconds: int
    expected_seconds: float
    is_begun: bool
    had_turn: bool
    status: str
    stage: str
    waits_for: str
    queue_position: int | None
    progress: int
    leg_goal: int
    leg_started_at: datetime
    leg_seconds: float
    rest_seconds: float

    @property
    def kind(self) -> Kind:
        return Kind(self.api, self.model, self.upstream, self.roles)


_OF_TASK = Stands._fields.index("status")


class Expected(NamedTuple):
    """Where one stands, and in how many seconds it has its turn."""

    place: int
    seconds: float


def survey(now: datetime | None = None) -> int:
    """Write what changed; how many stand in line."""
    now = now or clock.now()
    _forget_the_dead()
    rows = _rows()
    if not rows:
        outlooks.forget()
        return 0
    ends: dict[int, dict[str, Any]] = defaultdict(dict)
    newcomers: dict[str, Any] = {"lines": {}, "ends": {}}
    for line in _lines(rows, now):
        expected = _expected(line, [row for row in rows if row.kind in line.pools], now, ends, newcomers)
        by_id = {row.task_id: row for row in rows}
        _tell([by_id[task_id] for task_id in expected], expected, now)
    outlooks.write({**ends, outlooks.NEWCOMER: newcomers}, now, newest=max(row.task_id for row in rows))
    return len(rows)


def _forget_the_dead() -> None:
    """Rows of tasks that ended, or left the line for something else than to be ordered."""
    QueuedCreate.objects.exclude(pk__in=QueuedCreate.objects.of_living().values("pk")).delete()


def _rows() -> list[Stands]:
    """Those that wait, the first of each key first."""
    names = [*Stands._fields[:_OF_TASK], *(f"task__{name}" for name in Stands._fields[_OF_TASK:])]
    rows = QueuedCreate.objects.waiting().of_living().order_by("-had_turn", "-is_begun", "task_id")
    return [Stands(*row) for row in rows.values_list(*names)]


def _lines(rows: Iterable[Stands], now: datetime) -> list[Line]:
    """With the models that nobody waits for, but might."""
    kinds = {row.kind for row in rows}
    offered = VideoModel.objects.filter(enabled=True)
    offers = {Kind(model.api, name, model.upstream) for model in offered for name in model.names}
    return [line for line in lines_of(sorted(kinds | offers), now)[0] if not kinds.isdisjoint(line.pools)]


# ---- Serving in thought ---------------------------------------------------------------------------------------------------


class _Slots:
    """When each account takes its next orders."""

    def __init__(self, line: Line, rows: Sequence[Stands], now: datetime) -> None:
        usual = sum(row.expected_seconds for row in rows) / len(rows)
        bounded = [pk for pk, account in line.accounts.items() if account.jobs_in_flight]
        in_flight = spending.in_flight(bounded, now) if bounded else {}
        self._interval = {pk: _interval(account, usual, now) for pk, account in line.accounts.items()}
        self._next = {pk: _first(account, in_flight.get(pk, 0), self._interval[pk], now) for pk, account in line.accounts.items()}
        for pk in QueuedCreate.objects.called(now).filter(api=line.api).values_list("account", flat=True):
            if pk in self._next:
                self._next[pk] += self._interval[pk]

    def take(self, pool: Iterable[int]) -> float:
        """The next that one of these accounts has, in seconds from now."""
        pk = min(pool, key=lambda pk: self._next[pk])
        taken = self._next[pk]
        self._next[pk] += self._interval[pk]
        return taken

    @property
    def soonest(self) -> float:
        """When any of them takes the next."""
        return min(self._next.values())

    @property
    def each(self) -> float:
        """Seconds between two of all accounts together."""
        rate = sum(1 / interval for interval in self._interval.values() if interval)
        return 1 / rate if rate else 0.0


def _interval(account: ProviderAccount, usual: float, now: datetime) -> float:
    paced = account.interval_at(now)
    freed = usual / account.jobs_in_flight if account.jobs_in_flight else 0.0
    return max(paced.total_seconds() if paced else 0.0, freed)


def _first(account: ProviderAccount, in_flight: int, interval: float, now: datetime) -> float:
    paced = max(0.0, (account.next_create_at - now).total_seconds()) if account.next_create_at else 0.0
    return max(paced, interval if account.jobs_in_flight and in_flight >= account.jobs_in_flight else 0.0)


def _expected(
    line: Line, rows: Sequence[Stands], now: datetime, ends: dict[int, dict[str, Any]], newcomers: dict[str, Any]
) -> dict[UUID, Expected]:
    """Of each where it stands; the ends of the keys' lines are put into `ends`, and of those that have none into `newcomers`."""
    slots, before = _Slots(line, rows, now), dict.fromkeys(set(line.pools.values()), 0)
    everybody = frozenset(line.accounts)
    before.setdefault(everybody, 0)
    found: dict[UUID, Expected] = {}
    last: dict[int, Expected] = {}

    def stand(row: Stands) -> None:
        pool = line.pools[row.kind]
        found[row.task_id] = last[row.key_id] = Expected(before[pool] + 1, slots.take(pool))
        for other in before:
            if other & pool:
                before[other] += 1

    flows = shares.flows({(row.key_id, row.team_id) for row in rows})
    for row in (row for row in rows if row.had_turn):
        stand(row)
    behind: dict[str | int, Expected] = {}
    for one in Tree(shares.read(line.name), _with_ends(rows, flows)).all():
        if isinstance(one.subject, Stands):
            stand(one.subject)
        else:
            behind[one.subject] = Expected(before[everybody] + 1, slots.soonest)
    _note_ends(line, slots.each, last, behind, ends, newcomers)
    return found


def _with_ends(rows: Sequence[Stands], flows: Mapping[int, Flow]) -> Iterable[Waiting[Any]]:
    """Those that wait, behind the last of each key one that might come, and one of each class whose key has none: their numbers, and the
    class as a text."""
    for row in rows:
        if not row.had_turn:
            yield Waiting(row, flows[row.key_id], float(row.seconds), (0, row.task_id))
    later = (1, UUID(int=0))
    for key_id, flow in flows.items():
        yield Waiting(key_id, flow, shares.LEAST_PRICE, later)
    for priority in range(PRIORITY_MOST + 1):
        yield Waiting(str(priority), Flow(-1 - priority, priority=priority), shares.LEAST_PRICE, later)


def _note_ends(
    line: Line,
    each: float,
    last: Mapping[int, Expected],
    behind: Mapping[str | int, Expected],
    ends: dict[int, dict[str, Any]],
    newcomers: dict[str, Any],
) -> None:
    keys = len(last) + 1
    for whose, end in behind.items():
        if isinstance(whose, int):
            gap = max(1, end.place - last[whose].place) if whose in last else keys
            ends[whose][line.name] = _told(end, gap, each)
    newcomers["ends"][line.name] = {
        **{whose: _told(end, keys, each) for whose, end in behind.items() if isinstance(whose, str)},
        "slot": round(each, 3),
    }
    newcomers["lines"] |= {kind.model: line.name for kind in line.pools}


def _told(end: Expected, gap: int, each: float) -> list[float]:
    return [end.place, round(end.seconds, 1), gap, round(gap * each, 2)]


# ---- Telling --------------------------------------------------------------------------------------------------------------


def _tell(rows: Sequence[Stands], expected: Mapping[UUID, Expected], now: datetime) -> None:
    changes = [change for row in rows if (change := _change(row, expected[row.task_id], now))]
    if not changes:
        return
    sets = "waits_for = %s, queue_position = %s, stage_since = CASE WHEN stage = %s THEN stage_since ELSE %s END, stage = %s, "
    sets += "progress = %s, leg_goal = %s, leg_started_at = %s, leg_seconds = %s, updated_at = %s"
    still = f"status IN ({_words(ACTIVE)}) AND waits_for IN ({_words(IN_LINE)})"
    with connection.cursor() as cursor:
        # Each by itself: a cancel of one does not wait for the others.
        for change in changes[:TOLD_MOST]:
            cursor.execute(f"UPDATE {Task._meta.db_table} SET {sets} WHERE id = %s AND {still}", change)  # noqa: S608 - our own words


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _change(row: Stands, found: Expected, now: datetime) -> list[Any] | None:
    """The values of the statement that tells it; None when what is told is near enough."""
    place = min(found.place, row.queue_position) if row.queue_position else found.place
    waits_for = RATE if found.place == 1 else FAIR_SHARE
    left = (row.leg_started_at - now).total_seconds() + row.leg_seconds
    off = abs(found.seconds - left)
    is_near = row.queue_position is not None and place > EXACT and place > row.queue_position * (1 - OFF)
    is_place = is_near or place == row.queue_position
    if is_place and waits_for == row.waits_for and off <= max(OFF_SECONDS, OFF_TIME * found.seconds):
        return None
    stage = row.stage
    if row.status == Status.QUEUED:
        stage = str(Stage.WAITING_FOR_RATE_LIMIT) if waits_for == RATE else "queued"
    legs = Legs(row.status, row.progress, row.leg_goal, row.leg_started_at, row.leg_seconds, row.rest_seconds)
    reached = progress.read(legs, now).progress
    moment, ident = connection.ops.adapt_datetimefield_value(now), Task._meta.pk.get_db_prep_value(row.task_id, connection)
    leg = [reached, max(row.leg_goal, reached), moment, max(0.0, found.seconds)]
    return [waits_for, place, stage, moment, stage, *leg, moment, ident]
