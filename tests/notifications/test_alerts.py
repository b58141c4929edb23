"""Mails: operators hear of what is wrong once when it begins, of budgets, and owners of endpoints that were disabled"""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db.models.functions import Now

from conduit import clock
from conduit.conditions import registry
from conduit.conditions.models import LastLook, Standing
from keys import budget_owners
from keys.models import Team
from keys.services import change_key, create_key
from tasks.notifications import alerts, disabling, doctor, endpoints, mails, retention
from tasks.notifications.models import Alert, Mail, State
from tasks.notifications.outbox import FanOut
from tests.conftest import Consumer

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

SAYS = registry.named("storage").says
# The contacts of a key and of its team, and who is told.
CONTACTS = [("a@k.com", "b@t.com", ["a@k.com"]), ("", "b@t.com", ["b@t.com"]), ("", "", [])]


@pytest.fixture
def place(settings, time_travel):
    """A place with a mail server and operators, at which somebody looks; gives what makes a condition hold or end."""
    settings.EMAIL_HOST, settings.ALERT_EMAILS = "mail.example.com", ["ops@example.com", "boss@example.com"]
    time_travel.move_to(clock.now())

    def holds(name: str, subject: str = "", detail: str = "It is so.", *, ends: bool = False) -> None:
        if ends:
            Standing.objects.filter(name=name, subject=subject).delete()
        else:
            Standing.objects.create(name=name, subject=subject, detail=detail, since=clock.now())

    LastLook.objects.update_or_create(pk=LastLook.ONLY, defaults={"begun_at": Now(), "looked_at": Now()})
    holds.later = lambda **by: time_travel.shift(timedelta(**by))  # type: ignore[attr-defined]
    return holds


def sent() -> list[tuple[str, str]]:
    mails.send_due()
    found = [(one.to[0], one.subject) for one in mail.outbox]
    mail.outbox.clear()
    return found


def test_operators_are_told_once_of_what_goes_wrong_and_holds(place):
    place("storage", "host-1", "No space is left.")
    alerts.look()
    assert sent() == []

    place.later(seconds=21)
    alerts.look()
    alerts.look()

    subject = f"[testserver] {SAYS}"
    assert sent() == [("ops@example.com", subject), ("boss@example.com", subject)]
    body = Mail.objects.first().body
    assert "host-1: No space is left." in body
    assert "What to do: " in body
    assert "http://testserver/admin/" in body
    place.later(days=1)
    alerts.look()
    assert sent() == []


def test_what_comes_back_soon_is_the_same_trouble_and_later_another(place):
    place("storage")
    place.later(seconds=21)
    alerts.look()
    assert len(sent()) == 2
    place("storage", ends=True)
    alerts.look()
    place.later(minutes=10)
    place("storage")
    place.later(seconds=21)
    alerts.look()
    assert sent() == []
    place("storage", ends=True)
    alerts.look()
    place.later(minutes=31)
    alerts.look()
    assert not Alert.objects.exists()

    place("storage")
    place.later(seconds=21)
    alerts.look()

    assert len(sent()) == 2


def test_what_is_only_worth_knowing_is_in_no_mail(place):
    place("log_ins_locked", "bob")
    place("budgets", "key 1")
    place.later(minutes=1)

    assert alerts.look() == 0
    assert sent() == []


def test_several_troubles_are_one_mail(place):
    for host in ("host-1", "host-2", "host-3"):
        place("storage", host)
    place.later(minutes=1)
    alerts.look()

    assert [subject for _, subject in sent()] == [f"[testserver] {SAYS} And 2 more."] * 2


def test_without_addresses_or_a_mail_server_nothing_is_written(place, settings):
    place("storage")
    place.later(minutes=1)
    settings.ALERT_EMAILS = []
    assert alerts.look() == 0
    settings.ALERT_EMAILS, settings.EMAIL_HOST = ["ops@example.com"], ""
    alerts.look()
    assert not Mail.objects.exists()


def test_a_budgets_threshold_is_a_mail_once(place, make_consumer):
    consumer = make_consumer("ann")
    budget_owners.set_budgets(consumer.key, [{"period": "monthly", "time_zone": "UTC", "amount": Decimal("0.39")}], who="root")
    consumer.generate()
    FanOut()()
    FanOut()()

    assert [subject for _, subject in sent()] == ["[testserver] The monthly budget of key ann has used 50 % of 0.3900 USD"] * 2


def test_a_mail_server_that_is_away_is_tried_again_and_its_words_are_kept(place, settings, monkeypatch):
    place("storage")
    place.later(minutes=1)
    alerts.look()
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 9
    assert sent() == []
    assert {one.problem[:21] for one in Mail.objects.all()} == {"ConnectionRefusedErro"}
    assert registry.named("late_mails").look() == {}
    place.later(minutes=6)
    assert registry.named("late_mails").look()[""].startswith("Of the last try: ConnectionRefused")

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert len(sent()) == 2
    assert registry.named("late_mails").look() == {}
    assert set(Mail.objects.values_list("state", flat=True)) == {State.DELIVERED}


@pytest.mark.parametrize(("of_key", "of_team", "told"), CONTACTS)
def test_who_holds_a_key_is_told_of_its_end_and_its_budgets_once(place, of_key, of_team, told):
    team = Team.objects.create(name="film", contact_email=of_team)
    key, secret = create_key(name="ann", team=team, contact_email=of_key, budgets=[{"period": "total", "amount": Decimal("0.39")}])
    end = clock.now() + timedelta(days=8)
    change_key(key, who="root", expires_at=end)
    Consumer(key, secret).generate()
    FanOut()()
    reached = "[testserver] The total budget of key ann has used 50 % of 0.3900 USD"
    assert sent() == [(to, reached) for to in ("ops@example.com", "boss@example.com", *told)]

    place.later(days=2)
    for _ in range(2):
        FanOut()()
    assert sent() == [(to, f"[testserver] Key ann ends on {end:%Y-%m-%d}") for to in told]
    change_key(key, who="root", expires_at=end + timedelta(hours=1))
    FanOut()()
    assert len(sent()) == len(told)


def test_what_is_told_once_is_known_for_as_long_as_it_might_be_told(place, settings):
    settings.WEBHOOKS_KEPT_DAYS = 1
    key, _ = create_key(name="ann", contact_email="a@k.com")
    change_key(key, who="root", expires_at=clock.now() + timedelta(days=7))
    for _ in range(3):
        FanOut()()
        sent()
        place.later(days=2)
        retention.forget_old(clock.now())

    assert Mail.objects.count() == 1
    place.later(days=3)
    retention.forget_old(clock.now())
    assert not Mail.objects.exists()


@pytest.mark.parametrize(("of_key", "of_team", "told"), CONTACTS)
def test_the_owner_of_an_endpoint_that_is_disabled_gets_a_mail(place, of_key, of_team, told):
    team = Team.objects.create(name="film", contact_email=of_team)
    key, _ = create_key(name="ann", team=team, contact_email=of_key)
    endpoint, _ = endpoints.create(name="batch", url="https://example.com/", event_types=["task.queued"], key=key)

    disabling.disable(endpoint, "It failed for five days.")

    assert sent() == [(to, "[testserver] Your webhook endpoint batch was disabled") for to in told]


def test_operators_get_the_mail_of_an_endpoint_of_the_whole_place(place):
    endpoint, _ = endpoints.create(name="all", url="https://example.com/", event_types=["task.queued"])

    disabling.disable(endpoint, "It failed for five days.")

    assert [to for to, _ in sent()] == ["ops@example.com", "boss@example.com"]
    assert f"/v1/admin/webhook_endpoints/{endpoint.public_id}" in Mail.objects.first().body


def test_the_doctor_tells_whether_mails_are_taken(place, settings):
    [well] = doctor.mails_are_taken()
    assert (well.word, "2 operators" in well.says) == ("well", True)

    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 9
    [ill] = doctor.mails_are_taken()
    assert (ill.word, "ConnectionRefusedError" in ill.says) == ("degraded", True)
    settings.EMAIL_HOST = ""
    [none] = doctor.mails_are_taken()
    assert none.word == "well"
