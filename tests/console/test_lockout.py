"""Wrong passwords: so many are heard of a name from an address, of an address, of a name from anywhere, and no more at once either."""

import threading
from datetime import timedelta
from ipaddress import ip_network

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from conduit import clock
from conduit.console.security import attempts
from conduit.console.security.attempts import Attempt
from conduit.console.security.jobs import forget_what_is_over
from conduit.console.security.models import Lock
from keys.models import AuditEntry
from tests.support.marks import SOAK_ON_SQLITE

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, *SOAK_ON_SQLITE]

RIGHT = "the right one"


@pytest.fixture(autouse=True)
def ann():
    return User.objects.create_superuser("ann", password=RIGHT)


def log_in(name="ann", password="a guess", address="192.0.2.1", **headers):
    return Client(REMOTE_ADDR=address).post("/admin/login/", {"username": name, "password": password}, headers=headers)


def fail(times, name="ann", addresses=("192.0.2.1",)):
    """As quickly as can be: the rule alone. Takes the addresses in turn."""
    for number in range(times):
        attempt = Attempt(name, addresses[number % len(addresses)])
        if attempts.begin(attempt) is None:
            attempts.failed(attempt)


def many(count, start=1):
    return [f"198.51.{number // 250}.{number % 250 + 1}" for number in range(start, start + count)]


@pytest.fixture
def shift(time_travel):
    time_travel.move_to(clock.now())
    return time_travel.shift


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_five_wrong_passwords_of_a_name_from_an_address_lock_that_pair_and_say_until_when_whether_there_is_such_a_name_or_not(name):
    answers = [log_in(name) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert 890 <= int(answers[-1].headers["Retry-After"]) <= 900
    assert "no-store" in answers[-1].headers["Cache-Control"]
    page = answers[-1].content.decode()
    lock = Lock.objects.get()
    assert "for this name from your address" in page
    assert f"{lock.until:%Y-%m-%d %H:%M:%S} UTC" in page
    assert log_in(name, RIGHT).status_code == 429


def test_the_pair_that_is_locked_is_that_one_alone():
    User.objects.create_superuser("bob", password=RIGHT)
    fail(5)

    assert log_in(password=RIGHT, address="192.0.2.2").status_code == 302
    assert log_in("bob", RIGHT).status_code == 302
    assert log_in(password=RIGHT).status_code == 429


def test_thirty_wrong_passwords_from_an_address_lock_the_address():
    for number in range(29):
        fail(1, f"name {number}")
    assert log_in(password=RIGHT).status_code == 302
    fail(1, "another")

    answer = log_in(password=RIGHT)

    assert answer.status_code == 429
    assert "from your address" in answer.content.decode()
    assert "for this name" not in answer.content.decode()
    assert log_in(password=RIGHT, address="192.0.2.2").status_code == 302


def test_fifty_wrong_passwords_of_a_name_lock_it_for_all_but_the_address_that_last_got_in():
    home, former = "203.0.113.7", "203.0.113.8"
    assert log_in(password=RIGHT, address=former).status_code == 302
    assert log_in(password=RIGHT, address=home).status_code == 302
    fail(50, addresses=many(50))

    answer = log_in(password=RIGHT, address="192.0.2.99")
    assert answer.status_code == 429
    assert "from many addresses" in answer.content.decode()
    assert log_in(password=RIGHT, address=former).status_code == 429
    assert log_in(password=RIGHT, address=home).status_code == 302


def test_a_lock_ends_by_itself_and_is_not_prolonged_by_who_knocks(shift):
    fail(5)
    for _ in range(3):
        shift(timedelta(minutes=4))
        assert log_in(password=RIGHT).status_code == 429
    shift(timedelta(minutes=3, seconds=1))

    assert log_in(password=RIGHT).status_code == 302


def test_the_setting_says_how_long_a_lock_lasts(shift, settings):
    settings.LOGIN_LOCK_SECONDS = 60
    fail(5)
    shift(timedelta(seconds=61))

    assert log_in(password=RIGHT).status_code == 302


def test_wrong_passwords_long_apart_lock_nobody(shift):
    for _ in range(10):
        assert log_in().status_code == 200
        shift(timedelta(minutes=16))


def test_getting_in_forgets_what_was_wrong_of_that_pair_alone():
    User.objects.create_superuser("bob", password=RIGHT)
    fail(29, addresses=["192.0.2.1"], name="nobody")  # locked after five: the other 24 are not counted
    fail(4)
    assert log_in(password=RIGHT).status_code == 302
    fail(4)
    assert log_in(password=RIGHT).status_code == 302
    fail(4, "bob")

    assert log_in("nobody").status_code == 429


def test_whoever_has_an_account_cannot_wipe_out_what_his_address_has_tried():
    for number in range(29):
        fail(1, f"name {number}")
    assert log_in(password=RIGHT).status_code == 302
    fail(1, "one more")

    assert log_in(password=RIGHT).status_code == 429


def test_the_address_is_the_one_that_our_own_proxies_saw(settings):
    fail(5, addresses=["203.0.113.9"])

    assert log_in(password=RIGHT, **{"X-Forwarded-For": "203.0.113.9"}).status_code == 302  # anybody can write that
    settings.TRUSTED_PROXIES = [ip_network("192.0.2.1")]
    assert log_in(password=RIGHT, **{"X-Forwarded-For": "203.0.113.9"}).status_code == 429
    assert log_in(password=RIGHT, **{"X-Forwarded-For": "203.0.113.9, 203.0.113.10"}).status_code == 302


def test_all_addresses_of_one_ipv6_client_are_one():
    for number in range(5):
        log_in(address=f"2001:db8::{number}")

    assert log_in(password=RIGHT, address="2001:db8::ffff").status_code == 429
    assert log_in(password=RIGHT, address="2001:db8:0:1::1").status_code == 302
    assert Lock.objects.get().address == "2001:db8::/64"


def test_each_lock_is_audited_once_without_what_was_typed_as_password():
    for _ in range(9):
        log_in(password="hunter2 hunter2")

    [row] = AuditEntry.objects.filter(action="lock")
    assert (row.who, row.address, row.target) == ("not logged in", "192.0.2.1", f"lock:{Lock.objects.get().pk}")
    assert {name: row.changes[name] for name in ("kind", "name", "address", "failures")} == {
        "kind": "pair",
        "name": "ann",
        "address": "192.0.2.1",
        "failures": 5,
    }
    with connection.cursor() as cursor:
        for table in ("axes_accessattempt", "security_lock", "keys_auditentry"):
            cursor.execute(f"SELECT * FROM {table}")
            assert "hunter2" not in str(cursor.fetchall())


def test_a_password_is_not_hashed_for_whoever_is_locked_out(monkeypatch):
    fail(5)
    looked_at = []
    monkeypatch.setattr(User, "check_password", lambda *given: looked_at.append(given))

    assert log_in(password=RIGHT).status_code == 429
    assert looked_at == []


def test_a_name_that_no_account_has_is_shown_nowhere_since_it_may_be_a_password(admin, capsys):
    for _ in range(5):
        log_in("hunter2 hunter2")

    call_command("unlock")
    shown = [admin.get("/admin/security/lock/").content.decode(), capsys.readouterr().out, *map(str, AuditEntry.objects.values())]
    assert [text for text in shown if "hunter2" in text] == []
    assert "a name that no account has from 192.0.2.1" in shown[0]


def test_what_was_typed_is_forgotten_when_its_time_is_over(shift):
    fail(5, "hunter2 hunter2")
    shift(901)

    forget_what_is_over()

    assert not Lock.objects.exists()
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize("arguments", [{"name": "ann"}, {"address": "192.0.2.1"}, {"all": True}])
def test_the_command_unlocks_what_it_names_and_is_audited(arguments, capsys):
    fail(5)
    fail(5, "bob", ["192.0.2.2"])
    call_command("unlock")
    listed = capsys.readouterr().out

    call_command("unlock", **arguments)

    assert "ann from 192.0.2.1" in listed
    assert log_in(password=RIGHT).status_code == 302
    left = 0 if "all" in arguments else 1
    assert (Lock.objects.count(), capsys.readouterr().out) == (left, f"Unlocked: {2 - left}.\n")
    assert AuditEntry.objects.filter(action="unlock", who__endswith=", manage.py unlock").count() == 2 - left


def test_the_librarys_own_commands_unlock_too():
    fail(5)
    call_command("axes_reset_username", "ann")

    assert log_in(password=RIGHT).status_code == 302


@pytest.mark.parametrize("way", ["action", "page"])
def test_an_administrator_unlocks_in_the_console(admin, way):
    fail(5)
    lock = Lock.objects.get()
    assert "ann from 192.0.2.1" in admin.get("/admin/security/lock/").content.decode()

    if way == "action":
        admin.post("/admin/security/lock/", {"action": "unlock", "_selected_action": [lock.pk]})
    else:
        assert "Unlock…" in admin.get(f"/admin/security/lock/{lock.pk}/change/").content.decode()
        assert "5 wrong passwords" in admin.get(f"/admin/security/lock/{lock.pk}/delete/").content.decode()
        admin.post(f"/admin/security/lock/{lock.pk}/delete/", {"post": "yes"})

    assert AuditEntry.objects.get(action="unlock").who == "root"
    assert log_in(password=RIGHT).status_code == 302


def test_the_librarys_own_lists_which_show_forms_are_not_there(admin):
    assert admin.get("/admin/axes/accessattempt/").status_code == 404


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_wrong_passwords_that_come_at_once_five_are_looked_at(monkeypatch):
    looked_at = []
    monkeypatch.setattr(User, "check_password", lambda self, raw: bool(looked_at.append(raw)))
    answers = []

    def guess(number):
        try:
            answers.append(log_in(password=f"guess {number}").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(looked_at) == 5
    assert (len(answers), set(answers) <= {200, 429}, answers.count(200) <= 4) == (16, True, True)
    assert Lock.objects.get().failures == 5
