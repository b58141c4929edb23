"""manage.py create_key beside another one."""

import pytest
from django.core.management import call_command

from keys import budget_owners
from keys.models import Team, VirtualKey
from tests.support.racing import in_threads

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_a_team_that_somebody_else_makes_at_the_same_moment_is_joined(capfd, monkeypatch):
    create_team = budget_owners.create_team

    def late(**named):
        in_threads(lambda: create_team(name="film", who="somebody else"))
        return create_team(**named)

    monkeypatch.setattr(budget_owners, "create_team", late)

    call_command("create_key", "ann", "--team", "film")

    assert VirtualKey.objects.get().team == Team.objects.get()
    printed = capfd.readouterr()
    assert printed.out.startswith("condt_")
    assert "is new" not in printed.err
