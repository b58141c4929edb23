"""From deliveries that were claimed to what is sent: bodies as the rows are now, and the secrets that sign them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from keys.models import VirtualKey
from tasks.notifications import signing, sources
from tasks.notifications.bodies import body_of
from tasks.notifications.claims import Claim
from tasks.notifications.models import KeySigning, Signing, TaskTarget
from tasks.notifications.sending import Parcel

log = structlog.get_logger(__name__)

NOTHING_LEFT = "There is nothing left to tell: it is over, or was deleted."


@dataclass(frozen=True)
class Unsendable:
    """A delivery that nothing can be sent of, and why, in a sentence."""

    claim: Claim
    why: str
    is_final: bool = True


def packed(claims: Sequence[Claim], now: datetime) -> tuple[list[tuple[Claim, Parcel]], list[Unsendable]]:
    """What to send for each claim, with a few queries for all of them; and those of which nothing can be sent."""
    messages = list({claim.delivery.message_id: claim.delivery.message for claim in claims}.values())
    data = sources.data_of(messages, now)
    bodies = {message.id: body_of(message, data[message.id]) for message in messages if message.id in data}
    targets = TaskTarget.objects.in_bulk([c.delivery.task_id for c in claims if c.delivery.endpoint is None and c.delivery.task_id])
    keys = _signing_of({target.key_id for target in targets.values()})
    ready: list[tuple[Claim, Parcel]] = []
    left: list[Unsendable] = []
    for claim in claims:
        delivery = claim.delivery
        target = targets.get(delivery.task_id) if delivery.task_id else None
        signs: Signing | None = delivery.endpoint or (keys.get(target.key_id) if target else None)
        url = delivery.endpoint.url if delivery.endpoint else target.url if target else ""
        if delivery.message_id not in bodies or signs is None:
            left.append(Unsendable(claim, NOTHING_LEFT))
            continue
        try:
            living = signing.living_secrets(signs, now)
        except signing.Lost:
            left.append(Unsendable(claim, signing.LOST_WORDS, is_final=False))  # an operator may put that right
            continue
        ready.append((claim, Parcel(delivery.message_id, url, bodies[delivery.message_id], living)))
    return ready, left


def _signing_of(key_ids: set[int]) -> dict[int, KeySigning]:
    """What each key signs with; it is made for those that have nothing yet."""
    found: dict[int, KeySigning] = KeySigning.objects.in_bulk(key_ids) if key_ids else {}
    for key in VirtualKey.objects.filter(pk__in=key_ids - set(found)):
        found[key.pk] = signing.of_key(key)
    return found
