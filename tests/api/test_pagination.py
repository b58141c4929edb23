from datetime import UTC, datetime

import pytest

from conduit.api.errors import InvalidRequest
from conduit.api.pagination import page, parse_limit, parse_moment


@pytest.mark.parametrize(("query", "limit"), [({}, 20), ({"limit": "1"}, 1), ({"limit": "100"}, 100), ({"limit": "007"}, 7)])
def test_a_limit_is_a_whole_number_from_1_to_100_and_20_by_default(query, limit):
    assert parse_limit(query) == limit


@pytest.mark.parametrize(
    "text",
    ["0", "101", "-1", "+5", "1.5", "5.0", "1e1", "", " 5", "ten", "\u0665", "\uff15", "²", "9" * 5000, "0x10", "5\0", "null", "1000"],
)
def test_any_other_limit_is_refused(text):
    with pytest.raises(InvalidRequest) as refusal:
        parse_limit({"limit": text})
    assert refusal.value.param == "limit"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", (2026, 1, 31, 12)),
        ("2026-01-31T12:00:00z", (2026, 1, 31, 12)),
        ("2026-01-31T12:00:00", (2026, 1, 31, 12)),
        ("2026-01-31T12:00:00.000Z", (2026, 1, 31, 12)),
        ("2026-01-31T13:00:00+01:00", (2026, 1, 31, 12)),
        ("2026-01-31T13:00:00 01:00", (2026, 1, 31, 12)),
        ("2026-01-31T07:00:00-05:00", (2026, 1, 31, 12)),
        ("2026-01-31 12:00:00", (2026, 1, 31, 12)),
        ("2026-01-31", (2026, 1, 31)),
        ("0001-01-01T00:00:00Z", (1, 1, 1)),
        ("9999-12-31T23:00:00Z", (9999, 12, 31, 23)),
    ],
)
def test_a_moment_is_rfc_3339_with_utc_where_no_offset_is_given(text, moment):
    assert parse_moment({"created_after": text}, "created_after") == datetime(*moment, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-13-01", "2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z", "2026-01-31T12:00:00+99:00", "1769860800",
        "\u0662026-01-31",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\uff12\uff10\uff12\uff16-01-31", "2026-01-31T12:00:00Z\0",
        "\u0662\u0660\u0662\u0666-01-31T12:00:00Z",
        "NaN", "T", " ", "+",
        "20260131", "20260131T120000Z", "2026-W05", "2026-W05-6", "2026-1-31", "2026-01", "2026-01-31T", "2026-01-31T12", "2026-01-31T12Z",
        "2026-01-31T1200Z", "2026-01-31T12:00:00+01", "2026-01-31T12:00:00+0100", "2026-01-31T12:00:00,5Z", "2026-01-31Z",
        "2026-01-31T12:00:00.Z",
    ],
)  # fmt: skip
def test_any_other_moment_is_refused(text):
    with pytest.raises(InvalidRequest) as refusal:
        parse_moment({"created_after": text}, "created_after")
    assert refusal.value.param == "created_after"


def test_no_moment_is_none():
    assert parse_moment({}, "created_after") is None


def test_a_page_says_whether_there_is_more_and_where_it_begins_and_ends():
    show = {"task_id": "c"}, {"task_id": "b"}, {"task_id": "a"}

    first = page(show, 2, dict, id_field="task_id")
    last = page(show[2:], 2, dict, id_field="task_id")
    none = page([], 2, dict, id_field="task_id")

    assert first == {"object": "list", "data": [*show[:2]], "first_id": "c", "last_id": "b", "has_more": True}
    assert (last["first_id"], last["last_id"], last["has_more"]) == ("a", "a", False)
    assert none == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
