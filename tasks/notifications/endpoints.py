"""Endpoints: made, changed, given another secret, deleted, and tested."""

from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from django.db import transaction

from conduit import clock
from conduit.api.errors import Conflict, InvalidRequest, NotFound, Overloaded
from keys import audit, budget_owners
from keys.models import Team, VirtualKey
from tasks.notifications import bodies, disabling, outcomes, signing, sources
from tasks.notifications.event_types import wishes
from tasks.notifications.models import Delivery, Endpoint, KeySigning, Message, State, Try
from tasks.notifications.sending import Outcome, Parcel, send

# Of one owner: each is told of each event.
ENDPOINTS_MAX = 50
# Tests that a web process sends at once: each may take ten seconds of a thread that answers requests.
TESTS_AT_ONCE = 2
_tests = BoundedSemaphore(TESTS_AT_ONCE)


def create(*, key: VirtualKey | None = None, team: Team | None = None, who: str = audit.WHOEVER, **fields: Any) -> tuple[Endpoint, str]:
    """A new endpoint of the key, of the team, or of the whole place, and its secret, which no later answer shows. `fields`: `name`,
    `url` and `event_types`, sound in themselves.

    Raises:
        Conflict: its owner has as many as one may have.
    """
    secret = signing.new_secret()
    with transaction.atomic():
        if owner := key or team:
            budget_owners.lock(owner)
        if Endpoint.objects.filter(key=key, team=team).count() >= ENDPOINTS_MAX:
            raise Conflict(f"There are {ENDPOINTS_MAX} webhook endpoints already, and no more may be: delete one that is not needed.")
        made = Endpoint.objects.create(key=key, team=team, **fields, **wishes(fields["event_types"]), **signing.fields_of(secret))
        audit.record(who=who, action="create", target=made, of=made.owner, **fields)
    return made, secret


def change(endpoint: Endpoint, *, who: str = audit.WHOEVER, **fields: Any) -> Endpoint:
    """Write what differs of `name`, `url`, `event_types` and `enabled`; what it has pending goes to the new address.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    enabled = fields.pop("enabled", None)
    with transaction.atomic():
        before = _locked(endpoint)
        changes = {name: value for name, value in fields.items() if getattr(before, name) != value}
        if changes:
            derived = wishes(changes["event_types"]) if "event_types" in changes else {}
            Endpoint.objects.filter(pk=before.pk).update(**changes, **derived, updated_at=clock.now())
            audit.record(
                who=who, action="change", target=before, **{name: [getattr(before, name), value] for name, value in changes.items()}
            )
        if enabled is True and before.disabled_at:
            Endpoint.objects.filter(pk=before.pk).update(disabled_at=None, disabled_for="", failing_since=None, updated_at=clock.now())
            audit.record(who=who, action="enable", target=before)
        if enabled is False:
            disabling.disable(before, "Its owner disabled it.", who=who)
    return Endpoint.objects.select_related("key", "team").get(pk=endpoint.pk)


def rotate(endpoint: Endpoint, *, keeps_old: bool, who: str = audit.WHOEVER) -> tuple[Endpoint, str]:
    """Another secret; with `keeps_old` the one before signs beside it for a day.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    secret = signing.new_secret()
    with transaction.atomic():
        before = _locked(endpoint)
        Endpoint.objects.filter(pk=before.pk).update(**signing.rotated(before, secret, keeps_old=keeps_old), updated_at=clock.now())
        now = Endpoint.objects.select_related("key", "team").get(pk=before.pk)
        audit.record(who=who, action="rotate", target=now, old_secret_ends_at=now.old_secret_ends_at)
    return now, secret


def delete(endpoint: Endpoint, *, who: str = audit.WHOEVER) -> None:
    """Delete it with what it has pending and its log.

    Raises:
        NotFound: it was deleted meanwhile.
    """
    with transaction.atomic():
        before = _locked(endpoint)
        audit.record(who=who, action="delete", target=before, name=before.name, url=before.url, of=before.owner)
        before.delete()


def rotate_of_key(key: VirtualKey, *, keeps_old: bool, who: str = audit.WHOEVER) -> tuple[KeySigning, str]:
    """Another secret for what the key's own calls name by `webhook_url`."""
    row, secret = signing.of_key(key), signing.new_secret()
    with transaction.atomic():
        before = KeySigning.objects.select_for_update(no_key=True).get(pk=row.pk)
        KeySigning.objects.filter(pk=row.pk).update(**signing.rotated(before, secret, keeps_old=keeps_old))
        audit.record(who=who, action="rotate_webhook_secret", target=key)
        row.refresh_from_db()
    return row, secret


def _locked(endpoint: Endpoint) -> Endpoint:
    found = Endpoint.objects.select_for_update(no_key=True, of=("self",)).select_related("key", "team").filter(pk=endpoint.pk).first()
    if found is None:
        raise NotFound("This webhook endpoint was deleted meanwhile.")
    return found


# ---- Tests ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tested:
    delivery: Delivery
    outcome: Outcome


def send_test(endpoint: Endpoint, type: str, *, who: str = audit.WHOEVER) -> Tested:
    """Send a made-up event of that type now, and wait for what comes of it; the log shows it. A failure counts against nobody.

    Raises:
        Overloaded: others are being tested.
        Conflict: nothing opens its secret.
    """
    try:
        living = signing.living_secrets(endpoint, clock.now())
    except signing.Lost:
        raise Conflict(signing.LOST_WORDS) from None
    if not _tests.acquire(blocking=False):
        raise Overloaded("Other webhooks are being tested right now. Please try again in a few seconds.")
    try:
        now = clock.now()
        data = sources.sample(type)
        message = Message(type=type, source="", facts=data, is_test=True, happened_at=now)
        parcel = Parcel(message.id, endpoint.url, bodies.body_of(message, data), living)
        outcome = send(parcel)
    finally:
        _tests.release()
    return Tested(_kept(endpoint, message, outcome, who), outcome)


def _kept(endpoint: Endpoint, message: Message, outcome: Outcome, who: str) -> Delivery:
    with transaction.atomic():
        audit.record(who=who, action="test", target=endpoint, type=message.type, result=outcome.status_code or outcome.problem)
        message.save(force_insert=True)
        delivery = Delivery.objects.create(
            message=message,
            endpoint=endpoint,
            target=endpoint.public_id,
            state=State.DELIVERED if outcome.arrived else State.FAILED,
            ended_at=clock.now(),
            attempts=1,
            status_code=outcome.status_code,
            problem=outcome.problem,
        )
        Try.objects.bulk_create([outcomes.logged(delivery, outcome)])
    return delivery


def status_of(tested: Tested) -> int:
    """The status that the endpoint answered a test with.

    Raises:
        InvalidRequest: no answer came. Clients that repeat what failed by chance do not repeat this.
    """
    if tested.outcome.status_code is None:
        raise InvalidRequest(f"The endpoint could not be reached: {tested.outcome.problem}", code="webhook_not_delivered", param="url")
    return tested.outcome.status_code


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """As OpenAI's clients read it, and whether it is called, which they do not know."""
    return {
        "id": endpoint.public_id,
        "object": "webhook_endpoint",
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "created_at": int(endpoint.created_at.timestamp()),
        "updated_at": int(endpoint.updated_at.timestamp()),
        "signing_secret_hint": endpoint.secret_hint,
        "enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_for or None,
        "failing_since": int(endpoint.failing_since.timestamp()) if endpoint.failing_since else None,
    }
