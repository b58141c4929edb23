"""Keys of accounts after a rotation of SECRET_KEY, and a production whose keys are all in the database."""

import pytest
from django.core.management import call_command

from conduit.checks import problems
from conduit.conditions.looking import look
from keys.models import AuditEntry
from tests.conditions.conftest import details
from tests.support.accounts import add_account
from videos.account_models import ProviderAccount

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture
def rotated(settings):
    """Two accounts, of which one's key is sealed with a secret that nobody has any more, and a new SECRET_KEY."""
    settings.SECRET_KEY = "lost" * 12
    add_account("lost", "https://api.minimax.io", "lost-key")
    settings.SECRET_KEY = "former" * 8
    add_account("west", "https://api.minimax.io", "west-key")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "newest" * 8, ["former" * 8]
    add_account("east", "https://api.minimax.io", "east-key")
    return settings


def key_of(name):
    return ProviderAccount.objects.get(name=name).key


def test_keys_are_sealed_anew_with_the_new_secret_and_open_without_the_former(rotated, capsys):
    look()
    assert details("minimax_sealed") == {"west": "Its key is sealed with a former SECRET_KEY."}
    before = ProviderAccount.objects.get(name="west").key_set_at

    call_command("reseal_account_keys")

    rotated.SECRET_KEY_FALLBACKS = []
    assert (key_of("west"), key_of("east"), key_of("lost")) == ("west-key", "east-key", "")
    assert ProviderAccount.objects.get(name="west").key_set_at == before
    told = capsys.readouterr()
    assert told.out == "1 sealed anew, 1 were already.\n"
    assert told.err.startswith("lost: ")
    [row] = AuditEntry.objects.filter(action="seal anew")
    assert (row.target_name, "west-key" in str(row.changes)) == ("west", False)
    assert details("minimax_sealed") == {}


def test_sealing_anew_again_changes_nothing(rotated):
    call_command("reseal_account_keys")
    sealed = dict(ProviderAccount.objects.values_list("name", "sealed_secret"))

    call_command("reseal_account_keys")

    assert dict(ProviderAccount.objects.values_list("name", "sealed_secret")) == sealed


@pytest.mark.parametrize(("state", "may_start"), [("on", True), ("draining", True), ("off", False)])
def test_production_starts_without_a_key_of_the_environment_when_an_account_has_one(settings, state, may_start):
    settings.PRODUCTION, settings.MINIMAX_API_KEY = True, ""
    add_account("west", "https://api.minimax.io", "west-key", state=state)

    assert any(problem.startswith("MINIMAX_API_KEY is not set") for problem in problems()) is not may_start


def test_a_key_that_nothing_opens_is_none(rotated):
    rotated.PRODUCTION, rotated.MINIMAX_API_KEY = True, ""
    ProviderAccount.objects.exclude(name="lost").delete()

    assert any(problem.startswith("MINIMAX_API_KEY is not set") for problem in problems())
