"""Asking MiniMax what became of an order whose answer was lost, by its list or by the id that a callback told."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from conduit import clock
from videos.account_models import AccountState, ProviderAccount
from videos.accounts.calling import heard, provider_for
from videos.minimax import errors
from videos.minimax.errors import MiniMaxError, Outcome, Undecided
from videos.minimax.provider import Order
from videos.models import Clip, ClipState

# A job that MiniMax accepted is in its list by then; only after it "not in the list" means that it was not accepted.
LISTED_WITHIN = timedelta(seconds=60)
# A job that a callback told of is known to MiniMax's queries by then.
_TOLD_WITHIN = timedelta(minutes=2)


class Listed(NamedTuple):
    """The job that fits, if there is one; `is_certain`: whether there will be none when there is none."""

    task_id: str | None
    is_certain: bool


class NoList(Undecided):
    """MiniMax has no list for such jobs: somebody else has to tell."""


def listed(clip: Clip, prompt: str) -> Listed:
    """What MiniMax's list says of a clip's order.

    Raises:
        NoList: there is none.
        Undecided: it does not settle it, or would not while another order like it has no answer either.
        MiniMaxError: it could not be asked.
    """
    client, sent_at = provider_for(clip), clip.sent_at
    if not client.can_find_lost or sent_at is None or _may_be_another_accounts(clip):
        raise NoList(*errors.UNDECIDED)
    if _has_a_twin(clip, sent_at):
        raise Undecided(*errors.UNDECIDED)  # it may only be under way: when its answer is there, the list tells them apart
    # The list shows neither frames nor what else was asked for.
    seconds, resolution = (clip.seconds, clip.resolution) if clip.sends_size else (None, None)
    order = Order(clip.upstream, prompt, seconds, resolution, clip.ratio or None)
    with heard(clip):
        found = client.find_lost(order, sent_after=sent_at, sent_until=clip.sent_until, known_ids=_known_ids(clip, sent_at))
    return Listed(found, is_certain=clock.now() - (clip.sent_until or sent_at) >= LISTED_WITHIN)


def is_told(clip: Clip) -> bool:
    """Whether the job that a callback told of is this clip's: MiniMax knows it for the clip's account, and it is no other clip's.

    Raises:
        MiniMaxError: it could not be asked.
    """
    try:
        with heard(clip):
            provider_for(clip).query(clip.told_task_id)
    except MiniMaxError as error:
        if error.outcome is not Outcome.FINAL:
            raise
        return False
    return not Clip.objects.filter(api=clip.api, provider_task_id=clip.told_task_id).exclude(pk=clip.pk).exists()


def may_be_told_soon(clip: Clip) -> bool:
    """Whether a job that MiniMax does not know yet was told of a moment ago."""
    return clip.pushed_at is not None and clock.now() - clip.pushed_at < _TOLD_WITHIN


def _may_be_another_accounts(clip: Clip) -> bool:
    """Whether nobody knows with which of several accounts it was ordered, if it was: what is lacking in one's list proves nothing."""
    others = ProviderAccount.objects.filter(kind=f"minimax_{clip.api}").exclude(state=AccountState.OFF)
    return clip.account_id is None and clip.sent_until is not None and others.count() > 1


def _has_a_twin(clip: Clip, sent_at: datetime) -> bool:
    """Whether another order that MiniMax's list does not tell from this one was sent about then and has no answer either."""
    same = {name: getattr(clip, name) for name in ("api", "upstream", "seconds", "resolution", "ratio")}
    first, last = sent_at - LISTED_WITHIN, (clip.sent_until or sent_at) + LISTED_WITHIN
    near = Q(sent_at__range=(first, last)) | Q(sent_at__lt=first, sent_until__gte=first)
    return Clip.objects.filter(near, state=ClipState.SUBMITTING, **same).exclude(pk=clip.pk).exists()


def _known_ids(clip: Clip, sent_at: datetime) -> set[str]:
    """The jobs of other clips that were accepted about then: `find_lost` looks back a little, for clocks differ."""
    others = Clip.objects.filter(api=clip.api, submitted_at__gte=sent_at - timedelta(hours=1)).exclude(provider_task_id="")
    return set(others.values_list("provider_task_id", flat=True))
