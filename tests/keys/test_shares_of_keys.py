"""How big a share of scarce creates a key or a team has, wherever that is said."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from keys.models import AuditEntry, Team, VirtualKey
from keys.services import change_key
from tests.support.managing import make_manager

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

NO_ROWS = {f"{name}-{count}_FORMS": 0 for name in ("budgets", "secrets") for count in ("TOTAL", "INITIAL")}


def shares(key):
    return key.weight, key.priority, key.over_limit, key.queue_max


def test_a_key_has_the_least_share_and_no_line_of_its_own_until_somebody_says_otherwise(consumer):
    assert shares(VirtualKey.objects.get()) == (1, 0, "refuse", None)


def test_the_command_gives_a_key_its_share_and_its_own_line(db):
    call_command("create_key", "ann", "--weight", "3", "--priority", "1", "--in-flight", "2", "--over-limit", "queue", "--queue-max", "9")

    assert shares(VirtualKey.objects.get()) == (3, 1, "queue", 9)
    with pytest.raises(CommandError, match="--weight"):
        call_command("create_key", "bob", "--weight", "101")


@pytest.mark.parametrize(
    "wrong", [{"weight": 0}, {"weight": 101}, {"weight": "3"}, {"priority": 3}, {"over_limit": "wait"}, {"queue_max": 0}]
)
def test_what_is_no_share_is_refused_by_its_name(db, wrong):
    answer = make_manager()("POST", "keys", {"name": "ann", "limits": wrong})

    [name] = wrong
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, f"limits.{name}")


def test_a_teams_weight_is_changed_with_an_audit_row(db):
    manager = make_manager()
    team = manager.done("POST", "teams", {"name": "film", "weight": 5})

    changed = manager.done("PATCH", f"teams/{team['id']}", {"weight": 7})

    assert (team["weight"], changed["weight"], Team.objects.get().weight) == (5, 7, 7)
    assert AuditEntry.objects.get(action="change").changes == {"weight": [5, 7]}


def test_the_consoles_form_sets_a_share_and_leaves_what_it_was_not_sent(consumer, admin_user):
    change_key(consumer.key, who="root", weight=4, over_limit="queue")
    admin = Client()
    admin.force_login(admin_user)

    sent = admin.post(f"/admin/keys/virtualkey/{consumer.key.pk}/change/", NO_ROWS | {"name": "ann", "enabled": "on", "priority": "2"})

    assert sent.status_code == 302
    assert shares(VirtualKey.objects.get()) == (4, 2, "queue", None)


def test_a_holder_sees_its_share_and_its_line_but_not_its_class(consumer):
    change_key(consumer.key, who="root", weight=4, priority=2, tasks_in_flight=1, over_limit="queue", queue_max=3)

    limits = consumer.get("/v1/key").json()["limits"]

    assert (limits["weight"], limits["over_limit"], limits["queue_max"], "priority" in limits) == (4, "queue", 3, False)
