"""Signatures: each living secret signs, and a secret that rests is nobody's to read"""

import hmac
import json
from base64 import b64decode, b64encode
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from conduit import clock
from conduit.conditions import CannotTell, registry
from keys.models import AuditEntry
from tasks.notifications import endpoints, signing
from tasks.notifications.bodies import BODY_BYTES, body_of
from tasks.notifications.models import Delivery, Endpoint, Message
from tasks.notifications.seals import Survey
from tasks.notifications.signing import Seal
from tests.support.envelopes import refused

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def signed(secret: str, request) -> str:
    key = b64decode(secret.removeprefix("whsec_"))
    content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    return "v1," + b64encode(hmac.digest(key, content, "sha256")).decode()


def test_a_delivery_is_signed_with_its_secret_at_the_time_of_the_try(consumer, receiver, make_endpoint, sends):
    _, secret = make_endpoint("/a", "task.queued", key=consumer.key)
    consumer.generate()

    sends()

    [request] = receiver.received
    assert request.headers["webhook-signature"] == signed(secret, request)
    assert abs(int(request.headers["webhook-timestamp"]) - clock.now().timestamp()) < 60
    assert len(b64decode(secret.removeprefix("whsec_"))) == 32
    assert "." not in request.id


def test_while_a_secret_is_replaced_both_sign_and_then_the_new_one_alone(consumer, receiver, make_endpoint, sends, hour):
    endpoint, old = make_endpoint("/a", "task.queued", key=consumer.key)
    _, new = endpoints.rotate(endpoint, keeps_old=True)
    consumer.generate()
    sends()
    hour(25)
    consumer.generate()
    sends()

    first, second = receiver.received
    assert first.headers["webhook-signature"].split() == [signed(new, first), signed(old, first)]
    assert second.headers["webhook-signature"].split() == [signed(new, second)]


def test_a_secret_that_is_replaced_at_once_signs_nothing_any_more(consumer, receiver, make_endpoint, sends):
    endpoint, _ = make_endpoint("/a", "task.queued", key=consumer.key)
    _, new = endpoints.rotate(endpoint, keeps_old=False)
    consumer.generate()

    sends()

    [request] = receiver.received
    assert request.headers["webhook-signature"] == signed(new, request)


def test_secrets_rest_sealed_and_stand_in_no_audit_row(consumer, make_endpoint):
    endpoint, secret = make_endpoint("/a", "task.queued", key=consumer.key)
    _, other = endpoints.rotate(endpoint, keeps_old=True)
    bare = secret.removeprefix("whsec_")

    row = Endpoint.objects.values().get()
    assert not [name for name, value in row.items() if bare in str(value) or other.removeprefix("whsec_") in str(value)]
    assert row["secret_hint"] == f"whsec_…{other[-4:]}"
    assert bare not in json.dumps(list(AuditEntry.objects.values()), default=str)
    assert signing.living_secrets(Endpoint.objects.get(), clock.now()) == [other, secret]


def test_a_key_has_one_secret_of_its_own_which_it_may_read_and_replace(consumer):
    first = consumer.get("/v1/key/webhook_secret").json()
    assert first == consumer.get("/v1/key/webhook_secret").json()
    assert (first["object"], first["old_secret_ends_at"]) == ("webhook_secret", None)

    second = consumer.post("/v1/key/webhook_secret/rotate", {"keep_old_secret_active_for_24_hours": True}).json()

    assert second["signing_secret"] != first["signing_secret"]
    assert second["old_secret_ends_at"] > (clock.now() + timedelta(hours=23)).timestamp()
    row = signing.of_key(consumer.key)
    assert signing.living_secrets(row, clock.now()) == [second["signing_secret"], first["signing_secret"]]


@pytest.mark.parametrize("prompt", ["a" * 30_000, "ü" * 12_000, "\U0001f3ac" * 7_000, '"' * 15_000])
def test_a_body_stays_under_20_kb_whatever_the_prompt(prompt):
    message = Message(type="task.queued", happened_at=clock.now())

    body = body_of(message, {"id": "1", "prompt": prompt})

    assert len(body) < BODY_BYTES
    data = json.loads(body)["data"]
    assert data["prompt"].endswith("…")
    assert prompt.startswith(data["prompt"][:-1])
    assert len(body) > BODY_BYTES * 0.5


def test_after_a_rotation_of_secret_key_secrets_still_sign_and_are_sealed_anew(consumer, receiver, make_endpoint, sends, settings):
    _, secret = make_endpoint("/a", "task.queued", key=consumer.key)
    own = consumer.get("/v1/key/webhook_secret").json()["signing_secret"]
    former = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another secret that is long enough for every check of its length", [former]

    said = StringIO()
    call_command("reseal_webhook_secrets", stdout=said)
    settings.SECRET_KEY_FALLBACKS = []
    consumer.generate()
    sends()

    [request] = receiver.received
    assert said.getvalue() == "2 sealed anew, 0 were already.\n"
    assert request.headers["webhook-signature"] == signed(secret, request)
    assert signing.secret_of(signing.of_key(consumer.key)) == own


ANOTHER = "another secret that is long enough for every check of its length"


@pytest.fixture
def named(monkeypatch):
    """Whose secrets a condition names: all are looked at each time."""

    def look(name):
        monkeypatch.setattr("tasks.notifications.conditions.SURVEY", Survey())
        return dict(registry.named(name).look())

    return look


def test_a_secret_that_nothing_opens_waits_for_whoever_runs_the_place(consumer, receiver, make_endpoint, sends, settings, hour):
    endpoint, _ = make_endpoint("/a", "task.queued", key=consumer.key)
    former = settings.SECRET_KEY
    settings.SECRET_KEY = ANOTHER
    consumer.generate()
    sends()
    assert "Rotate it" in Delivery.objects.get().problem
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None

    settings.SECRET_KEY = former
    hour(0.01)
    sends()

    assert len(receiver.received) == 1


def test_secrets_of_a_former_secret_key_are_named_until_they_are_sealed_anew(consumer, make_endpoint, settings, named):
    endpoint, _ = make_endpoint("/a", "task.queued", key=consumer.key)
    consumer.get("/v1/key/webhook_secret")
    former = settings.SECRET_KEY
    assert named("webhook_secrets_sealed") == {}

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = ANOTHER, [former]
    assert named("webhook_secrets_sealed") == {
        endpoint.public_id: "It is /a of key somebody.",
        f"key {consumer.key.pk}": "It is the webhook secret of key somebody.",
    }
    settings.SECRET_KEY_FALLBACKS = []
    assert (named("webhook_secrets_sealed"), len(named("webhook_secrets_lost"))) == ({}, 2)

    settings.SECRET_KEY_FALLBACKS = [former]
    call_command("reseal_webhook_secrets")
    settings.SECRET_KEY_FALLBACKS = []
    assert (named("webhook_secrets_sealed"), named("webhook_secrets_lost")) == ({}, {})


def test_many_secrets_are_looked_through_in_several_looks(consumer, make_endpoint, settings, monkeypatch):
    monkeypatch.setattr("tasks.notifications.seals.LOOKED_AT", 2)
    for number in range(3):
        make_endpoint(f"/{number}", "task.queued", key=consumer.key)
    settings.SECRET_KEY = ANOTHER
    survey = Survey()

    with pytest.raises(CannotTell):
        survey.of(Seal.LOST)
    assert len(survey.of(Seal.LOST)) == 3


def test_a_lost_secret_is_said_to_be_and_another_ends_it_at_once(consumer, receiver, make_endpoint, sends, settings):
    endpoint, _ = make_endpoint("/a", "task.queued", key=consumer.key)
    consumer.get("/v1/key/webhook_secret")
    settings.SECRET_KEY = ANOTHER

    refused(consumer.post(f"/v1/webhook_endpoints/{endpoint.public_id}/test", {"event_type": "task.queued"}), 409, "conflict")
    refused(consumer.get("/v1/key/webhook_secret"), 409, "conflict")
    grace = {"keep_old_secret_active_for_24_hours": True}
    secret = consumer.post(f"/v1/webhook_endpoints/{endpoint.public_id}/rotate_secret", grace).json()["signing_secret"]
    consumer.post("/v1/key/webhook_secret/rotate", grace)
    consumer.generate()
    sends()

    [request] = receiver.received
    assert request.headers["webhook-signature"] == signed(secret, request)
    assert consumer.get("/v1/key/webhook_secret").status_code == 200
