"""Calls to MiniMax: how many went how, and what was said."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conduit import clock
from tests.support.calling import count_call
from tests.support.planned_clips import planned_clip
from videos.exchange_models import Exchange

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

FINE = {"code": 0, "is_error": False}


@pytest.fixture
def called(consumer):
    """Three creates of two models, one of them refused for its rate, and a query that nobody answered; all but one are kept."""
    task_id = consumer.generate("a kite")["task_id"]
    planned_clip(task_id, 0, upstream="video-01")
    for how in (
        FINE,
        {"code": 1002},
        FINE | {"upstream": "MiniMax-Hailuo-02"},
        {"call": "query", "code": None, "http": None, "upstream": ""},
    ):
        count_call(**how)
    now = clock.now()
    for number, (call, http, code, is_error) in enumerate(
        (("create", 200, 1002, True), ("create", 200, 0, False), ("query", None, None, True))
    ):
        Exchange.objects.create(
            video_id=task_id, clip_number=None if call == "query" else 0, call=call, method="POST", path="/x", http=http, code=code,
            status="", message=f"said {number}", trace_id="0417", is_error=is_error, milliseconds=1,
            first_at=now - timedelta(seconds=number), last_at=now,
        )  # fmt: skip
    return task_id


def counted(text):
    """Model, call, answer, calls and code of each row, the sum last."""
    rows = re.findall(r"<tr>(.*?)</tr>", text.partition("<tbody>")[2].partition("</table>")[0], re.DOTALL)
    return [
        [" ".join(re.sub(r"<[^>]+>", " ", unescape(cell)).split()) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)]
        for row in rows
    ]


def said(text):
    return re.findall(r"said \d", text)


ALL = [
    ["MiniMax-Hailuo-02", "create", "● answered well", "1", "-"],
    ["about none", "query", "✕ not answered", "1", "-"],
    ["video-01", "create", "● answered well", "1", "-"],
    ["video-01", "create", "▲ refused for its rate", "1", "1002"],
]


@pytest.mark.parametrize(
    ("query", "rows", "messages"),
    [
        ("", [0, 1, 2, 3], ["said 0", "said 1", "said 2"]),
        ("model=video-01", [2, 3], ["said 0", "said 1"]),
        ("model=-", [1], ["said 2"]),
        ("answer=rate", [3], ["said 0"]),
        ("answer=none", [1], ["said 2"]),
        ("answer=fine", [0, 2], ["said 1"]),
        ("code=1002", [3], ["said 0"]),
        ("model=nobody", [], []),
        ("answer=nonsense&code=x&span=7y&model=%00", [0, 1, 2, 3], ["said 0", "said 1", "said 2"]),
    ],
)
def test_calls_are_counted_and_told_as_they_are_asked_for(page, called, query, rows, messages):
    text = page(f"minimax/calls/?{query}")

    shown = counted(text) if rows else []
    assert sorted(shown[:-1]) == sorted(ALL[number] for number in rows)
    if rows:
        assert shown[-1] == ["All", str(len(rows)), ""]
    assert said(text) == messages


def test_each_count_narrows_to_itself_and_each_call_leads_to_its_task(page, called):
    text = page("minimax/calls/?span=24h")

    assert "?span=24h&amp;model=video-01&amp;answer=rate&amp;code=1002" in text
    assert "?span=24h&amp;model=-&amp;answer=none&amp;code=0" in text
    assert f'href="/admin/tasks/{called}/#task-exchanges"' in text
    narrowed = page("minimax/calls/?span=24h&model=video-01&answer=rate")
    assert '<a href="/admin/minimax/calls/?span=24h&amp;model=video-01" aria-label="Calls not only refused for its rate">' in narrowed


def test_the_page_costs_as_many_queries_however_many_calls_there_were(admin, called):
    with CaptureQueriesContext(connection) as asked:
        assert admin.get("/admin/minimax/calls/").status_code == 200

    assert len(asked) <= 6, [query["sql"][:90] for query in asked]
