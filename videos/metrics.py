"""What is told of MiniMax, its accounts, and work on files (conduit.metrics)."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from django.conf import settings

from conduit import clock, metrics
from conduit.metrics import Count, Gauge, Metric, Reading, Sample, Times
from conduit.metrics.registry import SHORT
from conduit.metrics.totals import Totals
from videos.account_models import AccountState, ProviderAccount
from videos.accounts.figures import figures_of
from videos.exchange_models import Timing
from videos.minimax.exchanges import Exchange

CALLS = Count("conduit_minimax_calls_total", "Calls to MiniMax, by how they were answered.", ("model", "call", "answer", "code"))
CALL_SECONDS = Times("conduit_minimax_call_seconds", "How long MiniMax's API took to answer.", ("call",), bounds=SHORT)
MADE_IN = Times("conduit_minimax_making_seconds", "From MiniMax's acceptance of a clip until it was made.", ("model",))
ASSEMBLED_IN = Times("conduit_assembling_seconds", "How long a video took to be assembled.")
STORED_IN = Times("conduit_storing_seconds", "How long an assembled video and its picture took to be stored.")
STORED = Count("conduit_stored_bytes_total", "Videos and pictures that were stored as results.")
ORPHANS = Count("conduit_orphans_removed_total", "Files in the storage that no row named, and that were removed.")
BILLED = Count("conduit_minimax_billed_usd_total", "What MiniMax bills for clips, as they were accepted.", ("model",))
BILLED_BACK = Count("conduit_minimax_billed_back_usd_total", "What of that it does not bill after all.", ("model",))

ACCOUNT = Gauge(
    "conduit_account_state", "1 for how an account at MiniMax stands: on, draining, off, or what it is set aside for.", ("account", "state")
)
PACE = Gauge("conduit_account_creates_per_second", "How many orders go out with an account, where a limit is known.", ("account",))
JOBS = Gauge("conduit_account_jobs", "Jobs that an account has at MiniMax.", ("account",))
SPENT = Gauge("conduit_account_spent_usd", "What MiniMax bills for an account's jobs of this month (UTC).", ("account",))

COUNTED: tuple[Metric, ...] = (CALLS, CALL_SECONDS, MADE_IN, ASSEMBLED_IN, STORED_IN, STORED, ORPHANS, BILLED, BILLED_BACK)


def note_call(exchange: Exchange, answer: str, code: int, *, is_timed: bool) -> None:
    """A call that this process made."""
    metrics.note(CALLS, exchange.upstream, exchange.call, answer, str(code))
    if is_timed:
        metrics.note_seconds(CALL_SECONDS, exchange.call, seconds=exchange.milliseconds / 1000)


def total_times(timings: Sequence[Timing]) -> None:
    """Add clips that nobody has counted yet."""
    totals = Totals()
    for timing in timings:
        totals.add_seconds(MADE_IN, timing.upstream, seconds=timing.made_in * settings.MINIMAX_TIME_SCALE)
    totals.write()


def total_billed(found: Sequence[tuple[str, Decimal]]) -> None:
    """Add what is billed of MiniMax's models beyond what was counted; less than nothing where it is not billed after all."""
    totals = Totals()
    for upstream, amount in found:
        totals.add(BILLED if amount >= 0 else BILLED_BACK, upstream, amount=abs(amount))
    totals.write()


def _read() -> Iterator[Sample]:
    now = clock.now()
    accounts = list(ProviderAccount.objects.order_by("name"))
    figures = figures_of(accounts, now)
    for account in accounts:
        of = figures[account.pk]
        aside = account.cause if account.state != AccountState.OFF else ""
        yield ACCOUNT.of(account.name, aside or account.state, value=1)
        yield JOBS.of(account.name, value=of.in_flight)
        yield SPENT.of(account.name, value=float(of.spent))
        if of.pace:
            yield PACE.of(account.name, value=of.pace / 60)


STANDING = Reading("accounts", (ACCOUNT, PACE, JOBS, SPENT), _read)
