"""The steps of time in which things are counted, and the spans of them that pages show. All in UTC: each step begins where a day,
an hour or a minute does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import IntegerChoices, Q


class Step(IntegerChoices):
    """In seconds. A row of each length is kept of everything that is counted."""

    MINUTE = 60
    TEN_MINUTES = 600
    SIX_HOURS = 6 * 3600

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self.value)

    def start(self, moment: datetime) -> datetime:
        """When the step that holds the moment began."""
        seconds = int(moment.timestamp())
        return datetime.fromtimestamp(seconds - seconds % self.value, UTC)


# How long rows are kept, by their step: half as long again as any page shows, the day before among it; those of six hours for two years.
KEPT = {Step.MINUTE: timedelta(hours=3), Step.TEN_MINUTES: timedelta(hours=72), Step.SIX_HOURS: timedelta(days=731)}


@dataclass(frozen=True)
class Past:
    """A span of time that is over, from where one step begins until where another does."""

    step: Step
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Span:
    """What a chart shows: the `length` until now, in steps. The newest step is under way."""

    name: str  # as addresses and people write it
    step: Step
    length: timedelta

    def since(self, now: datetime) -> datetime:
        """When its first step begins."""
        return self.step.start(now) - self.length + self.step.length

    def before(self, now: datetime) -> Past:
        """What to set beside it: the same time a day ago, to ten minutes, or of a day and more the same right before it."""
        if self.length < timedelta(days=1):
            step = Step.TEN_MINUTES
            until = step.start(now - timedelta(days=1)) + step.length
        else:
            step, until = self.step, self.since(now)
        return Past(step, until - self.length, until)

    def moments(self, now: datetime) -> Iterator[datetime]:
        """When each of its steps begins, the oldest first."""
        at, last = self.since(now), self.step.start(now)
        while at <= last:
            yield at
            at += self.step.length


HOUR = Span("1h", Step.MINUTE, timedelta(hours=1))
DAY = Span("24h", Step.TEN_MINUTES, timedelta(hours=24))
MONTH = Span("30d", Step.SIX_HOURS, timedelta(days=30))
SPANS = {span.name: span for span in (HOUR, DAY, MONTH)}


@dataclass(frozen=True)
class InMonths:
    """A span of days as the calendar months that are wholly in it, and what is left of others at both ends."""

    months: tuple[date, ...]  # the first day of each
    rest: tuple[tuple[date, date], ...]  # first and last day


def in_months(first: date, last: date, today: date) -> InMonths:
    """Days, both included. The month that runs is whole when today is among them: nothing has happened since."""
    if last >= today:
        last = max(last, _last_of_month(today))
    months: list[date] = []
    rest: list[tuple[date, date]] = []
    while first <= last:
        end = min(_last_of_month(first), last)
        if first.day == 1 and end == _last_of_month(first):
            months.append(first)
        else:
            rest.append((first, end))
        first = end + timedelta(days=1)
    return InMonths(tuple(months), tuple(rest))


def _last_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def until_moment(since: datetime, until: datetime) -> Q:
    """The rows of steps that make up a time from midnight on: six hours each, and at its end ten minutes each, while those are kept."""
    last = Step.SIX_HOURS.start(until)
    return Q(step=Step.SIX_HOURS, starts_at__gte=since, starts_at__lt=last) | Q(
        step=Step.TEN_MINUTES, starts_at__gte=last, starts_at__lt=Step.TEN_MINUTES.start(until)
    )


def midnight(moment: datetime) -> datetime:
    """When the day (UTC) began."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def first_of_month(moment: datetime) -> datetime:
    """When the month (UTC) began."""
    return midnight(moment).replace(day=1)
