"""The one table of conditions: what looks find and processes report, and how it is kept."""

import os
import threading
from datetime import timedelta

import pytest
import structlog.testing
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from conduit import clock, conditions
from conduit.conditions import CannotTell, Severity, reading
from conduit.conditions.looking import log_what_holds, look
from conduit.conditions.models import LastLook, Standing
from conduit.conditions.reading import place
from conduit.conditions.reports import LAPSES_SECONDS
from tests.conditions.conftest import details, state

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, pytest.mark.usefixtures("quiet_table")]


def test_what_a_look_finds_holds_until_a_look_finds_it_no_more(condition):
    found = {"pot": "It is cold."}
    condition("tea", look=lambda: found)
    assert state("tea").holds is False

    look()
    assert details("tea") == {"pot": "It is cold."}
    found.clear()
    look()
    assert state("tea").holds is False


def test_since_is_when_it_began_whatever_is_told_of_it_meanwhile(condition):
    found = {"pot": "It is cold."}
    condition("tea", look=lambda: found)
    look()
    (began,) = state("tea").subjects
    found["pot"] = "It is frozen."
    look()

    (now,) = state("tea").subjects
    assert (now.detail, now.since) == ("It is frozen.", began.since)
    assert abs(clock.now() - began.since) < timedelta(seconds=60)


def test_a_look_that_finds_the_same_writes_only_that_it_looked(condition):
    condition("tea", look=lambda: {"pot": "It is cold."})
    look()

    with CaptureQueriesContext(connection) as captured:
        look()

    written = [query["sql"] for query in captured if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert [sql for sql in written if "lastlook" not in sql and "lapses_at" not in sql] == []


def test_a_name_is_taken_once_and_is_for_programs(condition):
    condition("tea")

    with pytest.raises(ValueError, match="'tea' already"):
        condition("tea")
    with pytest.raises(ValueError, match="is no name of a condition"):
        condition("Tea time")


def test_a_look_that_fails_is_told_leaves_what_was_kept_and_keeps_no_other_from_being_called(condition, caplog):
    trouble = []

    def find():
        if trouble:
            raise trouble[0]
        return {"pot": "It is cold."}

    condition("tea", look=find)
    condition("milk", look=lambda: {"jug": "It is sour."} if trouble else {})
    look()
    trouble.append(RuntimeError("password=hunter2"))
    look()

    assert details("tea") == {"pot": "It is cold."}
    assert details("milk") == {"jug": "It is sour."}
    assert details("looks") == {"tea": "The look failed (RuntimeError); the control process's log says more."}


def test_a_look_that_cannot_tell_leaves_what_was_kept_and_is_no_failure(condition):
    answers = iter([{"pot": "It is cold."}, CannotTell()])

    def find():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    condition("tea", look=find)
    look()
    look()

    assert details("tea") == {"pot": "It is cold."}
    assert state("looks").holds is False


def test_of_several_control_processes_one_looks_at_a_time(condition):
    assert look(after=60) is True
    assert look(after=60) is False
    assert look() is True


def test_what_a_process_reports_holds_until_it_says_otherwise(condition):
    condition("tea")
    conditions.report("tea", subject="kitchen", detail="The kettle is empty.")
    look()
    assert details("tea") == {"kitchen": "The kettle is empty."}

    conditions.report("tea", subject="kitchen", detail=None)
    assert state("tea").holds is False


def test_a_report_that_is_not_repeated_lapses_and_its_row_goes(condition):
    condition("tea")
    conditions.report("tea", subject="kitchen", detail="The kettle is empty.")
    Standing.objects.update(lapses_at=clock.now() - timedelta(seconds=5))

    assert state("tea").holds is False
    look()
    assert not Standing.objects.exists()


def test_a_report_that_repeats_the_same_is_written_once_a_minute(condition, django_assert_num_queries, monkeypatch):
    condition("tea")
    with django_assert_num_queries(1):
        conditions.report("tea", subject="kitchen", detail="The kettle is empty.")
    with django_assert_num_queries(0):
        conditions.report("tea", subject="kitchen", detail="The kettle is empty.")
    first = Standing.objects.get()

    monkeypatch.setattr("conduit.conditions.reports.REPEAT_SECONDS", 0)
    Standing.objects.update(lapses_at=clock.now() + timedelta(seconds=5))
    conditions.report("tea", subject="kitchen", detail="The kettle is empty.")

    again = Standing.objects.get()
    assert (again.pk, again.since) == (first.pk, first.since)
    assert again.lapses_at > clock.now() + timedelta(seconds=LAPSES_SECONDS - 60)


def test_what_two_processes_report_of_one_subject_ends_when_both_say_so(condition, monkeypatch):
    condition("tea")
    for who in ("a:1", "b:2"):
        monkeypatch.setattr("conduit.conditions.reports.reporter", lambda who=who: who)
        monkeypatch.setattr("conduit.conditions.reports._said", {})
        conditions.report("tea", subject="kitchen", detail="The kettle is empty.")

    conditions.report("tea", subject="kitchen", detail=None)  # b
    assert details("tea") == {"kitchen": "The kettle is empty."}


def test_only_what_was_registered_can_be_reported():
    with pytest.raises(LookupError, match="'tea'"):
        conditions.report("tea", detail="none left")


def test_subjects_and_details_are_bounded_and_hold_no_secret(condition):
    condition("tea", look=lambda: {f"pot {number:03}": "x" * 1000 for number in range(80)})
    condition("milk", look=lambda: {"jug\n2": "see redis://:hunter2@host/0\0\nand more"})
    look()
    for number in range(80):
        conditions.report("tea", subject=f"cup {number:03}", detail="It is cold.")

    told = details("tea")
    assert len(told) == 100
    assert told["…"] == "and 31 more"
    assert {len(detail) for subject, detail in told.items() if subject.startswith("pot")} == {300}
    assert details("milk") == {"jug 2": "see redis://:***@host/0 and more"}


def test_what_nobody_registers_any_more_is_neither_told_nor_kept(condition):
    Standing.objects.create(name="coffee", subject="pot", since=clock.now())

    assert "coffee" not in {state.condition.name for state in place().states}
    look()
    assert not Standing.objects.exists()


def test_a_place_that_nobody_looks_at_says_so(condition):
    assert "yet" in details("control")[""]

    look()
    assert state("control").holds is False

    LastLook.objects.update(looked_at=clock.now() - timedelta(seconds=60))
    assert "as old as this" in details("control")[""]
    assert place().severity is Severity.UNAVAILABLE


def test_reading_costs_two_queries_however_much_holds(condition, django_assert_num_queries):
    condition("tea", look=lambda: {f"pot {number}": "It is cold." for number in range(40)})
    condition("milk", look=lambda: {"jug": "It is sour."})
    look()

    with django_assert_num_queries(2):
        assert [state.condition.name for state in place().holding] == ["tea", "milk"]


def test_the_log_of_a_start_tells_what_holds(condition):
    condition("tea", look=lambda: {"pot": "It is cold."})
    condition("milk", look=dict)
    look()

    with structlog.testing.capture_logs() as logged:
        log_what_holds()

    assert logged == [{"event": "condition holds", "condition": "tea", "subject": "pot", "detail": "It is cold.", "log_level": "warning"}]


def test_while_the_database_is_away_one_thread_asks_it_and_no_reader_does(monkeypatch, django_assert_num_queries):
    def away():
        raise OperationalError("connection refused")

    back = threading.Event()
    monkeypatch.setattr(reading, "_answers", back.wait)
    with monkeypatch.context() as patch:
        patch.setattr(Standing.objects, "current", away)
        assert [state.condition.name for state in place().holding] == ["database"]

    with django_assert_num_queries(0):
        assert not place().is_known
    back.set()
    reading._database.asking.join(30)
    assert place().is_known


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_looks_at_once_write_each_row_once(condition):
    both = threading.Barrier(2)

    def find():
        both.wait(timeout=120)
        return {"pot": "It is cold."}

    condition("tea", look=find)
    results: list[object] = []

    def run():
        try:
            # Not since "now": one that waited for the row began before the other did, and might rightly leave it at that.
            results.append(look(after=-60))
        except Exception as error:  # noqa: BLE001
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [True, True]
    assert Standing.objects.filter(name="tea").count() == 1


def test_a_child_that_is_forked_during_an_outage_asks_for_itself():
    reading._database.away_since = clock.now()

    child = os.fork()
    if child == 0:
        os._exit(0 if reading._database.away_since is None else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert reading._database.away_since is not None
