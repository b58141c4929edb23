"""Two accounts of the sandbox over real HTTP: a pace, an empty balance, a key that dies in the middle."""

import pytest

from conduit import clock
from tasks.models import Task
from tests.support.accounts import add_account, without_the_environments
from videos.account_models import ProviderAccount
from videos.minimax.sandbox import Account, Sandbox
from videos.models import Clip, ClipState

pytestmark = pytest.mark.django_db


@pytest.fixture
def there(driver, settings, tmp_path):
    """A MiniMax with two accounts: west takes five creates a minute, east can be billed a dollar. Its jobs take long."""
    accounts = [Account("west", "west-key", pace=5), Account.parse("east=east-key,balance=1")]
    with Sandbox(tmp_path / "sandbox", time_scale=1.0, clip_scale=8, accounts=accounts) as server:
        settings.RETRY_SECONDS = 2.0
        without_the_environments()
        for name in ("west", "east"):
            add_account(name, f"{server.url}/v1", f"{name}-key")
        yield server


def turns(driver, ids):
    """One step of each that is due."""
    for task_id in ids:
        driver.step(task_id)


def test_an_account_that_dies_in_the_middle_loses_nothing_and_doubles_nothing(consumer, driver, there, time_travel):
    time_travel.move_to(clock.now(), tick=False)
    ids = [consumer.generate(f"cat {number}")["task_id"] for number in range(12)]
    for _ in range(3):
        turns(driver, ids)

    # East made two for its dollar; west took five in this minute, and was refused once.
    made = {name: sum(job["account"] == name for job in there.jobs()) for name in ("west", "east")}
    assert made == {"west": 5, "east": 2}
    assert ProviderAccount.objects.get(name="east").cause == "account_balance"
    assert ProviderAccount.objects.get(name="west").pace == 5
    assert Task.objects.filter(waits_for__in=["rate", "fair_share"]).count() == 5

    there.change_account("west", key="gone", pace=None)
    there.change_account("east", balance=None)
    turns(driver, ids)
    for number in range(40):
        time_travel.shift(15)
        waiting = [task_id for task_id in ids if Clip.objects.get(video=task_id).state != ClipState.SUBMITTED]
        turns(driver, ids if number % 10 == 0 else waiting)

    assert ProviderAccount.objects.get(name="west").cause == "account_key"
    assert {Clip.objects.get(video=task_id).state for task_id in ids} == {ClipState.SUBMITTED}
    assert sorted(job["prompt"] for job in there.jobs()) == sorted(f"cat {number}" for number in range(12))
    refused = [line for line in there.log() if line["call"] == "create" and line["code"]]
    assert len(refused) <= 4
    # Those that west makes wait for its key, and go on with the next one.
    assert Task.objects.filter(stage="waiting_for_provider_key").exists()
    west = ProviderAccount.objects.get(name="west")
    west.seal("gone").save()
    ProviderAccount.objects.filter(name="west").update(cause="", tries_at=None)
    time_travel.shift(120)
    turns(driver, ids)
    assert not Task.objects.filter(stage="waiting_for_provider_key").exists()
