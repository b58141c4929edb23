"""A code beside the password: set up, asked for, thrown away when it is wrong too often, renewed, switched off, taken away."""

import re
from base64 import b32decode
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.timezone import now
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from conduit import clock
from conduit.console.security import second_factor
from conduit.console.security.entry import may_enter
from conduit.console.security.models import Lock
from keys.models import AuditEntry
from tests.support.second_factors import code_of, enrolled

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PASSWORD = "a long password"
PICTURE = 'class="qr"'
PAGE, CODES, STEP = "/admin/second-factor/", "/admin/second-factor/codes/", "/admin/login/code/"


@pytest.fixture
def ann():
    return User.objects.create_superuser("ann", password=PASSWORD)


@pytest.fixture
def client(ann):
    logged_in = Client()
    logged_in.force_login(ann)
    return logged_in


def password_given(name="ann", path="/admin/login/", **fields):
    client = Client()
    return client, client.post(path, {"username": name, "password": PASSWORD} | fields)


def is_in(client):
    return client.get("/admin/settings/").status_code == 200


def text_of(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def let_try_again():
    TOTPDevice.objects.update(throttling_failure_timestamp=now() - timedelta(days=30))


def test_a_second_factor_is_set_up_with_a_picture_or_the_secret_and_its_codes_are_shown_once(client, ann):
    page = text_of(client.get(PAGE))
    assert PICTURE in page
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")
    device = TOTPDevice.objects.get(user=ann)
    assert b32decode(secret) == device.bin_key
    assert secret in text_of(client.get(PAGE)).replace(" ", "")

    assert "This is not the code" in text_of(client.post(PAGE, {"do": "confirm", "code": "000000"}))
    assert second_factor.device_id_of(User.objects.get()) is None
    TOTPDevice.objects.update(throttling_failure_count=0)
    answer = client.post(PAGE, {"do": "confirm", "code": code_of(device)})

    assert answer.headers["Location"] == CODES
    for _ in range(2):
        shown = client.get(CODES)
        codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", shown.content.decode())
        assert len(set(codes)) == 10
        assert "no-store" in shown.headers["Cache-Control"]
    assert is_in(client)
    assert secret[:8] not in text_of(client.get(PAGE)).replace(" ", "")
    assert [row.action for row in AuditEntry.objects.order_by("pk")][-2:] == ["set up second factor", "make recovery codes"]
    audited = str(list(AuditEntry.objects.values()))
    assert [value for value in (secret, *codes) if value in audited] == []


def test_a_page_that_was_opened_twice_at_once_shows_one_picture_and_leaves_one_device(client, ann):
    first, _ = (TOTPDevice.objects.create(user=ann, confirmed=False, name="x") for _ in range(2))
    assert second_factor.secret_of(first) in text_of(client.get(PAGE))

    client.post(PAGE, {"do": "confirm", "code": code_of(first)})

    assert TOTPDevice.objects.get() == first


def test_recovery_codes_are_shown_for_ten_minutes_to_their_session_alone(client, ann, time_travel):
    time_travel.move_to(clock.now())
    device = second_factor.begin(ann)
    client.post(PAGE, {"do": "confirm", "code": code_of(device)})
    [first, *_] = [token.token for token in StaticToken.objects.all()]
    assert f"{first[:5]}-" in text_of(client.get(CODES))
    stored = SessionStore(client.session.session_key).load()
    assert first not in str(stored)

    other = Client()
    other.force_login(ann)
    session = other.session
    session[second_factor.SHOWN_WITH] = device.pk
    session.save()
    assert f"{first[:5]}-" not in text_of(other.get(CODES))
    time_travel.shift(601)
    assert f"{first[:5]}-" not in text_of(client.get(CODES))


def test_who_has_one_is_asked_for_it_after_the_password_and_is_nobody_before(ann):
    device, _ = enrolled(ann)
    client, answer = password_given(path="/admin/login/?next=/admin/settings/")

    assert (answer.status_code, answer.headers["Location"]) == (302, STEP)
    assert not is_in(client)
    assert "says" not in str(client.get("/health").json())
    assert "was right" in text_of(client.get(STEP))

    assert "This is not the code" in text_of(client.post(STEP, {"code": "000000"}))
    assert not is_in(client)
    let_try_again()
    answer = client.post(STEP, {"code": code_of(device, steps=1)})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/settings/")
    assert is_in(client)


def test_who_has_none_logs_in_by_password_alone(ann):
    client, answer = password_given()

    assert answer.headers["Location"] == "/admin/"
    assert is_in(client)


def test_a_code_opens_once(ann):
    device, _ = enrolled(ann)
    code = code_of(device, steps=1)
    client, _ = password_given()
    assert client.post(STEP, {"code": f" {code[:3]} {code[3:]} "}).status_code == 302

    again, _ = password_given()
    assert "This is not the code" in text_of(again.post(STEP, {"code": code}))


def test_a_recovery_code_opens_once_and_is_audited_without_its_letters(ann):
    _, codes = enrolled(ann)
    client, _ = password_given()
    assert client.post(STEP, {"code": codes[0].upper()}).status_code == 302
    assert is_in(client)

    again, _ = password_given()
    assert "This is not the code" in text_of(again.post(STEP, {"code": codes[0]}))
    row = AuditEntry.objects.get(action="use recovery code")
    assert (row.who, row.changes) == ("ann", {"left": 9})
    assert "9 of your recovery codes are left" in text_of(client.get(PAGE))


def test_wrong_codes_are_throttled_each_kind_for_itself_and_say_when_to_try_again(ann):
    device, codes = enrolled(ann)
    client, _ = password_given()
    client.post(STEP, {"code": "000000"})

    refused = text_of(client.post(STEP, {"code": code_of(device, steps=1)}))

    assert re.search(r"not looked at\. The next is from \d\d:\d\d:\d\d UTC on", refused)
    assert not is_in(client)
    assert client.post(STEP, {"code": codes[0]}).status_code == 302


def test_wrong_codes_lock_as_wrong_passwords_do_and_a_right_password_between_them_changes_nothing(ann):
    enrolled(ann)
    answers = []
    for _ in range(5):
        client, _ = password_given()
        let_try_again()
        TOTPDevice.objects.update(throttling_failure_count=0)
        answers.append(client.post(STEP, {"code": "000000"}).status_code)

    assert answers == [200, 200, 200, 200, 429]
    assert password_given()[1].status_code == 429
    lock = Lock.objects.get()
    assert (lock.kind, lock.name) == ("pair", "ann")

    TOTPDevice.objects.update(throttling_failure_count=20, throttling_failure_timestamp=now())
    call_command("unlock", name="ann")
    client, _ = password_given()
    device = TOTPDevice.objects.get()
    assert client.post(STEP, {"code": code_of(device, steps=1)}).status_code == 302


def test_the_code_is_waited_for_for_five_minutes(ann, time_travel):
    time_travel.move_to(clock.now())
    device, _ = enrolled(ann)
    client, _ = password_given()
    time_travel.shift(301)

    answer = client.post(STEP, {"code": code_of(device, steps=1)})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/")
    assert not is_in(client)


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another"}])
def test_an_account_that_was_changed_meanwhile_is_not_let_in(ann, change):
    device, _ = enrolled(ann)
    client, _ = password_given()
    User.objects.update(**change)

    assert client.post(STEP, {"code": code_of(device, steps=1)}).headers["Location"] == "/admin/login/"
    assert not is_in(client)


def test_the_page_for_the_code_is_closed_to_who_gave_no_password(ann):
    device, _ = enrolled(ann)

    assert Client().post(STEP, {"code": code_of(device, steps=1)}).headers["Location"] == "/admin/login/"


def test_it_leads_to_no_other_site(ann):
    device, _ = enrolled(ann)
    client, _ = password_given(path="/admin/login/?next=https://evil.example/")

    assert client.post(STEP, {"code": code_of(device, steps=1)}).headers["Location"] == "/admin/"


def test_a_session_from_before_has_to_show_it_too(client, ann):
    assert is_in(client)
    enrolled(ann)

    assert not is_in(client)
    assert not may_enter(User.objects.get(), client.session)


@pytest.fixture
def verified(ann):
    device, codes = enrolled(ann)
    client, _ = password_given()
    client.post(STEP, {"code": codes.pop()})
    assert is_in(client)
    client.device, client.codes = device, codes
    return client


def test_it_is_renewed_with_a_code_and_the_former_one_is_good_until_then(verified, ann):
    assert PICTURE not in text_of(verified.get(PAGE))
    assert "This is not the code" in text_of(verified.post(PAGE, {"do": "renew", "code": "zzzzz-zzzzz"}))
    StaticDevice.objects.update(throttling_failure_count=0)
    verified.post(PAGE, {"do": "renew", "code": verified.codes.pop()})
    assert PICTURE in text_of(verified.get(PAGE))
    assert TOTPDevice.objects.get(confirmed=True) == verified.device

    new = TOTPDevice.objects.get(confirmed=False)
    verified.post(PAGE, {"do": "confirm", "code": code_of(new)})

    assert TOTPDevice.objects.get() == new
    assert is_in(verified)
    client, _ = password_given()
    assert "This is not the code" in text_of(client.post(STEP, {"code": code_of(verified.device, steps=1)}))


def test_new_recovery_codes_replace_the_former_ones(verified):
    former, code = verified.codes[0], verified.codes[1]

    assert verified.post(PAGE, {"do": "codes", "code": code}).headers["Location"] == CODES

    assert StaticToken.objects.count() == 10
    client, _ = password_given()
    assert "This is not the code" in text_of(client.post(STEP, {"code": former}))


def test_it_is_switched_off_with_a_code_alone(verified, ann):
    verified.post(PAGE, {"do": "off", "code": "000000"})
    assert TOTPDevice.objects.exists()

    verified.post(PAGE, {"do": "off", "code": verified.codes[0]})

    assert not TOTPDevice.objects.exists()
    assert not StaticDevice.objects.exists()
    assert password_given()[1].headers["Location"] == "/admin/"
    assert AuditEntry.objects.filter(action="remove second factor", who="ann").count() == 1


def test_where_it_is_a_must_who_has_none_sees_the_page_that_sets_it_up_and_nothing_else(settings, ann):
    settings.CONSOLE_SECOND_FACTOR = "required"
    client, answer = password_given()

    assert client.get(answer.headers["Location"], follow=True).redirect_chain[-1][0] == PAGE
    for path in ("", "settings/", "tasks/task/", "nope/", "password_change/"):
        assert client.get(f"/admin/{path}", follow=True).redirect_chain[-1][0] == PAGE, path
    assert client.post("/admin/videos/blockedterm/add/", {"term": "x"}).status_code == 302
    page = text_of(client.get(PAGE))
    assert "asks for a second factor of everybody" in page
    assert "/admin/tasks/" not in page
    assert "says" not in str(client.get("/health").json())

    client.post(PAGE, {"do": "confirm", "code": code_of(TOTPDevice.objects.get())})
    assert is_in(client)
    assert "Switch it off" not in text_of(client.get(PAGE))
    assert client.post(PAGE, {"do": "off", "code": StaticToken.objects.first().token}).status_code == 403
    assert TOTPDevice.objects.exists()


def test_who_has_to_set_it_up_may_log_out(settings, ann):
    settings.CONSOLE_SECOND_FACTOR = "required"
    client, _ = password_given()

    client.post("/admin/logout/")

    assert "_auth_user_id" not in client.session


def test_an_administrator_takes_a_lost_one_away_from_whoever_may_no_more_than_he(ann):
    bob, carol = (User.objects.create_user(name, password=PASSWORD, is_staff=True) for name in ("bob", "carol"))
    carol.groups.add(Group.objects.get(name="administrator"))
    for user in (ann, bob):
        enrolled(user)
    administrator = Client()
    administrator.force_login(carol)

    chosen = [ann.pk, bob.pk]
    answer = administrator.post("/admin/auth/user/", {"action": "take_second_factor_away", "_selected_action": chosen}, follow=True)

    assert [device.user for device in TOTPDevice.objects.all()] == [ann]
    assert "Taken away: the second factor of bob." in text_of(answer)
    assert "Not yours to take: ann may do more than you." in text_of(answer)
    row = AuditEntry.objects.get(action="remove second factor")
    assert (row.who, row.target) == ("carol", f"user:{bob.pk}")


def test_nobody_takes_his_own_away_without_a_code(verified, ann):
    answer = verified.post("/admin/auth/user/", {"action": "take_second_factor_away", "_selected_action": [ann.pk]}, follow=True)

    assert "Your own is switched off or renewed on its own page, with a code." in text_of(answer)
    assert TOTPDevice.objects.filter(confirmed=True).exists()


def test_the_command_takes_it_from_whoever_is_locked_out(ann, capsys):
    enrolled(ann)

    call_command("remove_second_factor", "ann")
    call_command("remove_second_factor", "ann")

    assert capsys.readouterr().out == "Removed: ann.\nann has no second factor.\n"
    assert is_in(password_given()[0])
    with pytest.raises(CommandError, match="no account 'nobody'"):
        call_command("remove_second_factor", "nobody")


@pytest.mark.parametrize("path", ["otp_totp/totpdevice/", "otp_static/staticdevice/"])
def test_no_list_shows_seeds_or_codes(client, path):
    assert client.get(f"/admin/{path}").status_code == 404


def test_asking_for_it_costs_a_page_no_query(client, ann, django_assert_num_queries):
    user = client.get("/admin/settings/").wsgi_request.user
    with django_assert_num_queries(0):
        assert second_factor.device_id_of(user) is None
