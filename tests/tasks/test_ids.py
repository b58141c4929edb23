from uuid import UUID

import pytest

from tasks.ids import new_task_id, parse_task_id


def test_a_task_id_is_a_uuid_version_7():
    made = new_task_id()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_task_ids_sort_by_the_time_of_their_making(time_travel):
    made = []
    for moment in ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.001Z", "2026-01-31T12:00:01Z", "2031-01-01T00:00:00Z"):
        time_travel.move_to(moment, tick=False)
        made.append(str(new_task_id()))

    assert sorted(made) == made


def test_a_thousand_ids_of_one_moment_are_a_thousand_ids(time_travel):
    time_travel.move_to("2026-01-31T12:00:00Z", tick=False)

    assert len({new_task_id() for _ in range(1000)}) == 1000


def test_an_id_is_read_back():
    made = new_task_id()

    assert parse_task_id(str(made)) == made
    assert parse_task_id(str(made).upper()) == made


@pytest.mark.parametrize(
    "text", ["", "1", "x" * 36, "\0" * 36, "\ud800" * 36, "0" * 32, f"urn:uuid:{UUID(int=1)}", f"{{{UUID(int=1)}}}", "../" * 12, "9" * 5000]
)
def test_what_cannot_be_an_id_is_none(text):
    assert parse_task_id(text) is None
