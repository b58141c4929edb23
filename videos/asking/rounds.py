"""What becomes of answers: those that change nothing are written back together, the engine writes what all others lead to."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import connection

from conduit import clock
from tasks.insisting import AWAY, FIRST_PAUSE_SECONDS
from videos import engine
from videos.account_models import ProviderAccount
from videos.accounts import asking, breakers
from videos.accounts.breakers import FAILURES_MAX
from videos.asking import rows
from videos.asking.askers import Answer
from videos.asking.rows import Back
from videos.conditions import report_word
from videos.engine.polling import STAGES
from videos.minimax.errors import MiniMaxError
from videos.minimax.provider import JobState

log = structlog.get_logger(__name__)

# A question that could not be asked in time is due again so much later.
NOT_ASKED = timedelta(seconds=1)


def settle(answers: Sequence[Answer]) -> list[Answer]:
    """Write back what changes nothing, in one statement; the answers that are left for `tell`."""
    now = clock.now()
    back = [Back(answer.question, _next_at(answer, now)) for answer in answers if _changes_nothing(answer)]
    back += [Back(answer.question, _again_at(answer, now), was_asked=False) for answer in answers if answer.says is None]
    _give_back(back)
    _tell_breakers(answers)
    for answer in answers:
        if answer.state and answer.state.odd_word:
            report_word(answer.state.odd_word, task_id=answer.question.lease.task_id, upstream=answer.question.upstream)
    return [answer for answer in answers if answer.says is not None and not _changes_nothing(answer)]


def tell(answer: Answer) -> None:
    """Have the engine write what the answer leads to, under the question's lease."""
    if answer.says is not None:
        engine.answered(answer.question.lease, answer.says, answer.said)


def _next_at(answer: Answer, now: datetime) -> datetime:
    """When it is asked again: one pause after it was due, so that what waiting and writing took adds up to nothing."""
    account = answer.called.account
    if account is None:
        return now + NOT_ASKED
    pause = asking.pause(account, now, is_called_back=answer.question.is_called_back)
    return max(answer.question.due_at + pause, now + pause / 2)


def _again_at(answer: Answer, now: datetime) -> datetime:
    """When it is tried again to ask what was not asked: when the account may be asked, or in a moment."""
    account = answer.called.account
    return (account and asking.next_turn(account, now)) or now + NOT_ASKED


def _changes_nothing(answer: Answer) -> bool:
    return answer.question.is_routine and answer.state is not None and STAGES.get(answer.state.phase) == answer.question.stage


def _give_back(back: Sequence[Back]) -> None:
    """While the database is away it is tried again as long as the leases live. Twice does no more than once."""
    until = max((row.question.lease.hold.until for row in back), default=0.0)
    while True:
        try:
            rows.give_back(back)
        except AWAY as error:
            connection.close()
            if time.monotonic() > until:
                log.warning("answers were not written: the database is away", answers=len(back), error=type(error).__name__)
                return
            time.sleep(FIRST_PAUSE_SECONDS)
        else:
            return


def _tell_breakers(answers: Sequence[Answer]) -> None:
    """As `videos.accounts.calling.heard` does for one. Many failures of an account at once say no more than a few."""
    fine: dict[int, ProviderAccount] = {}
    failures: Counter[int] = Counter()
    for answer in answers:
        account = answer.called.account
        match answer.says:
            case _ if account is None:
                continue
            case JobState():
                fine[account.pk] = account
            case MiniMaxError() as error if failures[account.pk] < FAILURES_MAX:
                failures[account.pk] += 1
                breakers.failed(account, error, ordering=False)
    for account in fine.values():
        breakers.answered(account, ordering=False)
