"""What /v1/admin/ refuses in a body, by name."""

import pytest

from keys.models import AuditEntry, VirtualKey
from tests.support.envelopes import refused
from tests.support.managing import make_manager
from videos.models import VideoModel

pytestmark = pytest.mark.django_db

BUDGET = {"period": "daily", "amount": 1}


@pytest.fixture
def manager(db):
    return make_manager()


BAD = [
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"name": "  "}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": 7}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"name": "a\u202eb"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"colour": "red"}, "colour"),
    ({"secret": "condt_mine"}, "secret"),
    ({"team": "film"}, "team"),
    ({"team": 7}, "team"),
    ({"team": True}, "team"),
    ({"team": 10**30}, "team"),
    ({"enabled": "yes"}, "enabled"),
    ({"enabled": None}, "enabled"),
    ({"expires_at": "tomorrow"}, "expires_at"),
    ({"expires_at": 1769860800}, "expires_at"),
    ({"expires_at": "20310131"}, "expires_at"),
    ({"expires_at": "2026-01-31"}, "expires_at"),
    ({"expires_at": "1970-01-01T00:00:00Z"}, "expires_at"),
    ({"limits": None}, "limits"),
    ({"limits": []}, "limits"),
    ({"limits": {"rpm": 6}}, "limits.rpm"),
    ({"limits": {"creates_per_minute": 0}}, "limits.creates_per_minute"),
    ({"limits": {"creates_per_day": -1}}, "limits.creates_per_day"),
    ({"limits": {"reads_per_minute": "60"}}, "limits.reads_per_minute"),
    ({"limits": {"tasks_in_flight": 1.5}}, "limits.tasks_in_flight"),
    ({"limits": {"tasks_per_hour": True}}, "limits.tasks_per_hour"),
    ({"limits": {"longest_seconds": 2**31}}, "limits.longest_seconds"),
    ({"limits": {"largest_resolution": "720p"}}, "limits.largest_resolution"),
    ({"limits": {"largest_resolution": "0x0"}}, "limits.largest_resolution"),
    ({"limits": {"highest_price": 0}}, "limits.highest_price"),
    ({"limits": {"highest_price": "1e400"}}, "limits.highest_price"),
    ({"limits": {"price_factor": 0}}, "limits.price_factor"),
    ({"limits": {"price_factor": "50.0001"}}, "limits.price_factor"),
    ({"limits": {"price_factor": "0.00001"}}, "limits.price_factor"),
    ({"limits": {"price_factor": "NaN"}}, "limits.price_factor"),
    ({"limits": {"price_factor": True}}, "limits.price_factor"),
    ({"limits": {"models": "minimax-video"}}, "limits.models"),
    ({"limits": {"models": [""]}}, "limits.models"),
    ({"limits": {"models": ["a\0"]}}, "limits.models"),
    ({"limits": {"models": ["m"] * 101}}, "limits.models"),
    ({"limits": {"models": ["minimax-video", "minimax-vidoe"]}}, "limits.models"),
    ({"limits": {"ip_ranges": ["10.0.0.0/33"]}}, "limits.ip_ranges"),
    ({"limits": {"ip_ranges": ["localhost"]}}, "limits.ip_ranges"),
    ({"budgets": {}}, "budgets"),
    ({"budgets": None}, "budgets"),
    ({"budgets": [1]}, "budgets"),
    ({"budgets": [BUDGET] * 21}, "budgets"),
    ({"budgets": [BUDGET, BUDGET]}, "budgets"),
    ({"budgets": [{"period": "daily"}]}, "budgets.0.amount"),
    ({"budgets": [{"amount": 1}]}, "budgets.0.period"),
    ({"budgets": [BUDGET | {"period": "hourly"}]}, "budgets.0.period"),
    ({"budgets": [BUDGET | {"period": ["daily"]}]}, "budgets.0.period"),
    ({"budgets": [BUDGET | {"amount": "two"}]}, "budgets.0.amount"),
    ({"budgets": [BUDGET | {"amount": -1}]}, "budgets.0.amount"),
    ({"budgets": [BUDGET | {"amount": "NaN"}]}, "budgets.0.amount"),
    ({"budgets": [BUDGET | {"amount": 0.00001}]}, "budgets.0.amount"),
    ({"budgets": [BUDGET | {"amount": 10**9}]}, "budgets.0.amount"),
    ({"budgets": [BUDGET | {"amount": True}]}, "budgets.0.amount"),
    ({"budgets": [BUDGET | {"amount": None}]}, "budgets.0.amount"),
    ({"budgets": [BUDGET | {"left": 1}]}, "budgets.0.left"),
    ({"budgets": [BUDGET, BUDGET | {"time_zone": "Mars/Olympus"}]}, "budgets.1.time_zone"),
    ({"budgets": [BUDGET | {"time_zone": "../../etc/passwd"}]}, "budgets.0.time_zone"),
    ({"budgets": [BUDGET | {"time_zone": "\0"}]}, "budgets.0.time_zone"),
    ({"budgets": [BUDGET | {"time_zone": 1}]}, "budgets.0.time_zone"),
    ({"budgets": [BUDGET | {"raised_to": 2}]}, "budgets.0.raised_until"),
    ({"budgets": [BUDGET | {"raised_until": "2031-01-31"}]}, "budgets.0.raised_to"),
    ({"budgets": [BUDGET | {"raised_to": 1, "raised_until": "2031-01-31"}]}, "budgets.0.raised_to"),
    ({"budgets": [BUDGET | {"raised_to": 2, "raised_until": "2026-01-31"}]}, "budgets.0.raised_until"),
]


@pytest.mark.parametrize(("wrong", "param"), BAD, ids=[str(wrong)[:60] for wrong, _ in BAD])
def test_a_bad_body_names_its_parameter_in_the_message_too_and_changes_nothing(manager, wrong, param):
    key = manager.done("POST", "keys", {"name": "ann"})
    before = manager.done("GET", f"keys/{key['id']}")
    audited = AuditEntry.objects.count()

    for method, path, body in (("POST", "keys", {"name": "bob"} | wrong), ("PATCH", f"keys/{key['id']}", wrong)):
        message = refused(manager(method, path, body), 400, "invalid_request", param)
        if not param.endswith("time_zone"):  # which quotes the zone
            assert f"`{param.split('.')[-1]}`" in message

    assert manager.done("GET", f"keys/{key['id']}") == before
    assert VirtualKey.objects.count() == 1
    assert AuditEntry.objects.count() == audited


def test_a_key_may_be_given_every_model_by_name_and_alias_even_one_that_is_switched_off(manager):
    VideoModel.objects.update(enabled=False)
    names = sorted(name for model in VideoModel.objects.all() for name in model.names)

    assert manager.done("POST", "keys", {"name": "ann", "limits": {"models": names}})["limits"]["models"] == names


@pytest.mark.parametrize("path", ["keys", "teams"])
def test_a_name_is_required(manager, path):
    assert "`name` is required" in refused(manager("POST", path, {}), 400, "invalid_request", "name")


@pytest.mark.parametrize("grace", [-1, 10**9, "60", 1.5, None])
def test_a_grace_is_whole_seconds_up_to_thirty_days(manager, grace):
    key = manager.done("POST", "keys", {"name": "ann"})

    refused(manager("POST", f"keys/{key['id']}/rotate", {"grace_seconds": grace}), 400, "invalid_request", "grace_seconds")
    assert VirtualKey.objects.get().secrets.count() == 1


def test_a_body_that_is_no_json_object_is_400(manager):
    for raw in (b"{", b"[]", b"null"):
        answer = manager.http.post(
            "/v1/admin/keys", raw, content_type="application/json", headers={"Authorization": f"Bearer {manager.secret}"}
        )
        assert answer.status_code == 400


@pytest.mark.parametrize("amount", ["2", "2.5", " 2.5000 ", 2, 2.5, "0", "99999999.9999"])
def test_an_amount_is_a_number_or_a_string(manager, amount):
    made = manager.done("POST", "keys", {"name": "ann", "budgets": [{"period": "daily", "amount": amount}]})

    assert float(made["budgets"][0]["amount"]) == float(amount)
