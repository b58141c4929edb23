"""The search language, as it is read: what is a part, and what is none."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.search_language import QUALIFIERS, Between, NotUnderstood, Term, amount, between, parse, quoted, span, whole, written

NOW = datetime(2026, 11, 29, 14, 2, 10, tzinfo=UTC)
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def term(text):
    (found,) = parse(text)
    return found


def of(name, *values, operator=":", excluded=False):
    return Term("", name, operator, values, excluded)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  ", []),
        ("cat", [of("", "cat")]),
        (" a  red\tboat ", [of("", "a"), of("", "red"), of("", "boat")]),
        ('"a red boat"', [of("", "a red boat")]),
        ("-rain", [of("", "rain", excluded=True)]),
        ('-"in the rain"', [of("", "in the rain", excluded=True)]),
        ("well-known 16:9 <3 C++ 100%", [of("", word) for word in ("well-known", "16:9", "<3", "C++", "100%")]),
        ('"key:batch"', [of("", "key:batch")]),
        (r'"say \"hi\" \\ now"', [of("", r'say "hi" \ now')]),
        ("ключ 船 🚢", [of("", word) for word in ("ключ", "船", "🚢")]),
        ("key:batch-eu", [of("key", "batch-eu")]),
        ("KEY:batch-eu", [of("key", "batch-eu")]),
        ('key:"batch eu"', [of("key", "batch eu")]),
        ('key:"a, b",c', [of("key", "a, b", "c")]),
        ("-status:failed,cancelled", [of("status", "failed", "cancelled", excluded=True)]),
        ("meta:shot=12", [of("meta", "shot=12")]),
        ('meta:"a shot"="number 2"', [of("meta", "a shot=number 2")]),
        ("cost>0.5", [of("cost", "0.5", operator=">")]),
        ("cost:<=0.5", [of("cost", "0.5", operator="<=")]),
        ("cost:0.2", [of("cost", "0.2")]),
        ("wait>10m", [of("wait", "10m", operator=">")]),
        ("created:>2d", [of("created", "2d", operator=">")]),
        ("created:2026-11-01..2026-11-05", [of("created", "2026-11-01..2026-11-05")]),
        ("created:2026-11-01T14:00:00Z", [of("created", "2026-11-01T14:00:00Z")]),
        ("id:…4f18a6bc", [of("id", "…4f18a6bc")]),
        ("model:minimax/video:1", [of("model", "minimax/video:1")]),
    ],
)
def test_a_search_is_read_part_by_part(text, terms):
    assert parse(text) == terms


@pytest.mark.parametrize(
    ("text", "part", "says"),
    [
        ("cat colour:red", "colour:red", "There are id:, key:, team:"),
        ("http://x", "http://x", "put them in quotes"),
        ("key: cat", "key:", "`key:` takes a key's name or number"),
        ("key:,a", "key:,a", "a value is missing"),
        ("key:a,", "key:a,", "a value is missing"),
        ("key:a,,b", "key:a,,b", "a value is missing"),
        ('key:""', 'key:""', "a value is missing"),
        ('a "b c', '"b', "its quotes have no end"),
        ('key:"a', 'key:"a', "its quotes have no end"),
        ('""', '""', "nothing in the quotes"),
        ("a - b", "-", "right after the `-`"),
        ("key>3", "key>3", "has no order"),
        ("status:<failed", "status:<failed", "has no order"),
        ("wait:10m", "wait:10m", "wait>10m"),
        ("cost>1,2", "cost>1,2", "one value"),
        ("a\0b", "\\0", "no character"),
        ("a" * 501, "a" * 40 + "…", "at most 500"),
        ("a " * 21, "a", "at most 20 parts"),
        ("model:" + ",".join("abcdefghijklmnopqrstu"), "model:" + ",".join("abcdefghijklmnopqrstu"), "more than 20 values"),
    ],
)
def test_what_is_not_understood_is_named_and_told_what_would_be(text, part, says):
    with pytest.raises(NotUnderstood) as raised:
        parse(text)

    assert raised.value.part == part
    assert says in raised.value.message
    assert raised.value.param == "q"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with suppress(NotUnderstood):
        terms = parse(text)
        assert parse(written(terms)) == terms


@given(st.sampled_from(sorted(set(QUALIFIERS) - {"wait"})), st.text(min_size=1, max_size=30).filter(lambda text: "\0" not in text))
def test_any_value_can_be_written(name, value):
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    assert parse(f"{name}:{quoted(value)}") == [of(name, value)]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("created:2026-11-01", DAY, DAY + timedelta(days=1)),
        ("created:today", datetime(2026, 11, 29, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)),
        ("created:yesterday", datetime(2026, 11, 28, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC)),
        ("created:2026-11-01T14:00:00Z", DAY.replace(hour=14), DAY.replace(hour=14, second=1)),
        ("created:>2d", NOW - timedelta(days=2), None),
        ("created>90m", NOW - timedelta(minutes=90), None),
        ("created:<2d", None, NOW - timedelta(days=2)),
        ("created:<2026-11-01", None, DAY),
        ("created:<=2026-11-01", None, DAY + timedelta(days=1)),
        ("created:>2026-11-01", DAY + timedelta(days=1), None),
        ("created:>=2026-11-01", DAY, None),
        ("created:>=2026-11-01T14:00+01:00", DAY.replace(hour=13), None),
        ("created:2026-11-01..2026-11-02", DAY, DAY + timedelta(days=2)),
        ("created:2026-11-01..", DAY, None),
        ("created:..2026-11-01", None, DAY + timedelta(days=1)),
        ("created:7d..2d", NOW - timedelta(days=7), NOW - timedelta(days=2)),
    ],
)
def test_a_time_of_making_is_a_span(text, start, end):
    assert between(term(text), NOW) == Between(start, end)


@pytest.mark.parametrize(
    "value", ["soon", "2d", "2026-13-01", "2026-11-01..soon", "..", "2d..7d", ">2x", "<", "2026-11-01,2026-11-02", "20261101"]
)
def test_what_is_no_time_is_refused(value):
    with pytest.raises(NotUnderstood, match="created"):
        between(term(f"created:{value}"), NOW)


def test_amounts_lengths_and_numbers_are_read_or_refused():
    assert amount(term("cost>0.5")) == Decimal("0.5")
    assert [span(term(f"wait>{text}")) for text in ("30s", "1.5h", "2D", "1w")] == [
        timedelta(seconds=30), timedelta(hours=1.5), timedelta(days=2), timedelta(weeks=1),
    ]  # fmt: skip
    assert whole(term("seconds:6"), "6") == 6
    for refused in (
        lambda: amount(term("cost>much")),
        lambda: amount(term("cost>0.12345")),
        lambda: amount(term("cost>1e5")),
        lambda: span(term("wait>10")),
        lambda: span(term("wait>999999w")),
        lambda: whole(term("seconds:six"), "six"),
    ):
        with pytest.raises(NotUnderstood):
            refused()
