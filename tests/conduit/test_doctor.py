"""The doctor tells of each thing whether it is well, and exits by the worst."""

import json
import shutil
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from conduit import conditions, doctor
from conduit.conditions import Severity
from conduit.conditions.registry import registered
from conduit.doctor import host, place, servers
from conduit.stack.ports import free_port
from keys.models import AuditEntry, UsageCost
from tests.support.ending import end
from tests.support.lookalike import Answer
from tests.support.tampering import tampering
from videos.account_models import AccountState, ProviderAccount
from videos.doctor import accounts_answer, prices_cover_costs, storage_works
from videos.models import VideoModel

pytestmark = [pytest.mark.django_db]


def ill(findings):
    return [(finding.severity, finding.says) for finding in findings if finding.severity]


def run(*arguments):
    """The exit status, and what was printed."""
    said = StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("doctor", *arguments, stdout=said)
    return left.value.code, said.getvalue()


@pytest.fixture
def questions(monkeypatch):
    """What is asked in this test alone."""

    def ask(*looks):
        monkeypatch.setattr("conduit.doctor.registry._questions", [])
        doctor.register(*(doctor.Question(f"thing {number}", look) for number, look in enumerate(looks)))

    return ask


@pytest.mark.parametrize(("severity", "status"), [(None, 0), (Severity.NOTICE, 0), (Severity.DEGRADED, 1), (Severity.UNAVAILABLE, 2)])
def test_the_exit_status_is_of_the_worst(questions, severity, status):
    questions(lambda: [doctor.Finding("All is fine.")], lambda: [doctor.Finding("Something is so.", severity, "Do this.")])

    code, said = run()

    assert code == status
    assert "well         thing 0     All is fine." in said
    assert ("-> Do this." in said) == bool(severity)
    assert ("All is fine." in run("--quiet")[1], run("--json")[0]) == (False, status)


def test_a_question_that_fails_is_told_of_and_keeps_no_other_from_being_asked(questions):
    questions(lambda: 1 / 0, lambda: [doctor.Finding("All is fine.")])

    code, said = run("--json")

    first, second = json.loads(said)["findings"]
    assert (code, first["status"], second["status"]) == (2, "unavailable", "well")
    assert "ZeroDivisionError" in first["says"]


def test_every_condition_is_told_of_by_name():
    conditions.report("storage", subject="host-1", detail="It cannot write a file: NoSuchBucket.")

    found = list(place.nothing_holds())

    assert {finding.says.partition(":")[0].partition(" ")[0] for finding in found} == {condition.name for condition in registered()}
    assert any(severity == Severity.DEGRADED and "host-1" in says and "NoSuchBucket" in says for severity, says in ill(found))


def test_a_redis_that_is_away_is_told_of_once_by_each_who_needs_it(settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    assert [severity for severity, _ in ill(servers.redis_is_fit())] == [Severity.DEGRADED]
    assert [severity for severity, _ in ill(place.processes_beat())] == [Severity.DEGRADED]
    assert len(list(servers.clocks_agree())) == 1


def test_a_database_that_is_behind_is_told_of_by_its_first_migration():
    assert ill(servers.database_is_fit()) == []

    MigrationRecorder(connection).migration_qs.filter(app="videos").order_by("-name").first().delete()

    [(severity, says)] = ill(servers.database_is_fit())
    assert (severity, "1 migrations" in says, "videos." in says) == (Severity.UNAVAILABLE, True, True)


def test_a_ledger_that_does_not_add_up_is_told_of_row_by_row(consumer):
    from keys.doctor import ledger_adds_up

    task = consumer.generate()
    end(task["task_id"], "failed")
    assert ill(ledger_adds_up()) == []

    with tampering(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {UsageCost._meta.db_table} SET amount = 0.1 WHERE entry = 'release'")

    assert any(task["task_id"] in says for _, says in ill(ledger_adds_up()))


def test_each_account_is_asked_and_its_answer_told(minimax):
    found = list(accounts_answer())
    assert ill(found) == []
    assert "accepted" in found[0].says

    minimax.always("query", Answer(code=1004))
    for _ in range(5):
        assert Severity.DEGRADED in {severity for severity, _ in ill(accounts_answer())}
    assert set(ProviderAccount.objects.values_list("cause", flat=True)) == {""}  # whoever asks sets nothing aside
    assert not AuditEntry.objects.exists()

    ProviderAccount.objects.update(state=AccountState.OFF)
    assert [severity for severity, _ in ill(accounts_answer())] == [Severity.UNAVAILABLE]


def test_a_storage_that_fails_and_a_price_that_is_too_low_are_told_of(media):
    VideoModel.objects.update(base_price=Decimal(100))
    assert (ill(storage_works()), ill(prices_cover_costs())) == ([], [])

    VideoModel.objects.update(base_price=Decimal("0.0001"))
    shutil.rmtree(media)
    media.write_text("a file where the folder was")

    assert [severity for severity, _ in ill(storage_works())] == [Severity.DEGRADED]
    assert {severity for severity, _ in ill(prices_cover_costs())} == {Severity.NOTICE}


def test_a_host_without_room_is_told_of(settings, monkeypatch, tmp_path):
    settings.WORK_DIR = tmp_path
    settings.STREAMS_MAX = 10**9
    monkeypatch.setattr(host, "DISK_BYTES_MIN", 10**18)

    assert [severity for severity, _ in ill(host.has_room())] == [Severity.NOTICE, Severity.DEGRADED]
