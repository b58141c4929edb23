"""A create whose answer was lost is found in V2's list, or nothing is adopted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.clients import client_of, v2_client_of
from tests.support.lookalike import Answer, LookAlike
from videos.minimax import lost
from videos.minimax.errors import MiniMaxError, Outcome, Undecided
from videos.minimax.provider import Order
from videos.minimax.v2 import MiniMaxV2

SENT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ORDER = Order("MiniMax-H3", "a cat", seconds=4, resolution="768P", ratio="9:16")


@pytest.fixture
def client(minimax: LookAlike) -> MiniMaxV2:
    return v2_client_of(minimax)


def item(task_id: str, *, seconds: float = 1, **fields: object) -> dict[str, object]:
    """A record of a job like ORDER, created so long after that was sent."""
    created_at = int((SENT + timedelta(seconds=seconds)).timestamp())
    made = {"id": task_id, "model": "MiniMax-H3", "status": "running", "resolution": "768P", "duration": 4, "ratio": "9:16"}
    return made | {"created_at": created_at} | fields


def found(minimax: LookAlike, client: MiniMaxV2, *pages: object, known: tuple[str, ...] = ()) -> str | None:
    minimax.ordinary()
    minimax.next("list", *(Answer(fields=page if isinstance(page, dict) else {"items": page}) for page in pages))
    return client.find_lost(ORDER, sent_after=SENT, known_ids=known)


def test_a_create_whose_answer_was_lost_is_found_again(minimax, client):
    sent = datetime.now(UTC)
    known = client.create(ORDER)
    minimax.next("create", Answer(cut_after=0, accepted=True))
    with pytest.raises(MiniMaxError) as caught:
        client.create(ORDER)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert client.find_lost(ORDER, sent_after=sent, known_ids=[known]) == minimax.jobs[1].task_id


def test_a_create_that_never_arrived_is_not_there(minimax, client):
    assert found(minimax, client, []) is None


@pytest.mark.parametrize(
    "other",
    [
        {"model": "MiniMax-H4"},
        {"resolution": "2K"},
        {"duration": 5},
        {"ratio": "16:9"},
        {"prompt": "a dog"},
        {"content": [{"type": "text", "text": "a dog"}]},
        {"seconds": -600},
        {"seconds": 600},
    ],
)
def test_another_job_is_never_adopted(minimax, client, other):
    assert found(minimax, client, [item("7", **other)]) is None
    assert found(minimax, client, [item("8"), item("7", **other)]) == "8"


@pytest.mark.parametrize(
    "spelt",
    [
        {"resolution": "768p", "duration": "4", "ratio": " 9:16 "},
        {"resolution": None, "duration": None, "ratio": None},
        {"prompt": "a cat"},
        {"content": [{"type": "text", "text": "a cat"}]},
        {"created_at": str(int(SENT.timestamp()))},
        {"created_at": int(SENT.timestamp() * 1000)},
        {"created_at": "2026-11-01T12:00:05Z"},
        {"created_at": "2026-11-01T12:00:05"},
        {"status": "failed"},
        {"id": 7},
    ],
)
def test_a_record_may_be_spelt_in_any_way(minimax, client, spelt):
    assert found(minimax, client, [item("7") | spelt]) == "7"
    assert found(minimax, client, [{"task": item("7") | spelt}]) == "7"


@pytest.mark.parametrize("holder", ["items", "tasks", "data"])
def test_the_list_may_be_called_anything(minimax, client, holder):
    assert found(minimax, client, {"items": None, holder: [item("7")]}) == "7"
    assert found(minimax, client, {"items": None, "data": {holder: [item("7")]}}) == "7"


def test_what_belongs_to_other_orders_is_left_to_them(minimax, client):
    assert found(minimax, client, [item("7"), item("8")], known=("7",)) == "8"
    assert found(minimax, client, [item("7"), item("8")], known=("7", "8")) is None


@pytest.mark.parametrize(
    "page",
    [
        [item("7"), item("8")],
        [item("7"), {"id": "8", "status": "running", "created_at": "soon"}],
        [item("7"), "what"],
        [{"id": "8", "status": "running"}],
    ],
)
def test_what_cannot_be_told_apart_is_not_guessed(minimax, client, page):
    with pytest.raises(Undecided) as caught:
        found(minimax, client, page)
    assert (caught.value.outcome, caught.value.code) == (Outcome.FINAL, "provider_timeout")


def test_two_alike_are_told_apart_by_their_prompts(minimax, client):
    assert found(minimax, client, [item("7", prompt="a dog"), item("8", prompt="a cat")]) == "8"


def test_pages_are_read_until_the_time_of_the_order_is_behind(minimax, client):
    newer = [[item(f"1{n}", seconds=900 - 20 * n), item(f"2{n}", seconds=890 - 20 * n)] for n in range(3)]
    assert found(minimax, client, *newer, [item("7"), item("8", seconds=-900)], [item("9")]) == "7"
    assert [call.query["page_num"] for call in minimax.calls("list")] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("first", [[item("6", seconds=-900), item("5", seconds=-800)], [item("6", seconds=-900)]])
def test_a_list_in_another_order_is_read_to_its_end(minimax, client, first):
    assert found(minimax, client, first, [item("7")]) == "7"


def test_pages_smaller_than_asked_for_are_not_taken_for_the_last(minimax, client):
    assert found(minimax, client, [item("5", seconds=900), item("6", seconds=800)], [item("7")]) == "7"


def test_a_list_that_tells_its_length_is_not_asked_beyond_that(minimax, client):
    page = {"items": [item("6", seconds=900), item("7")], "total": "2"}
    assert found(minimax, client, page) == "7"
    assert len(minimax.calls("list")) == 1


def test_a_page_that_comes_again_is_the_end_of_the_list(minimax, client):
    assert found(minimax, client, *[[item("6", seconds=900), item("7")]] * 9) == "7"
    assert len(minimax.calls("list")) == 2


def test_a_list_without_an_end_leaves_it_undecided(minimax, client, monkeypatch):
    monkeypatch.setattr(lost, "PAGES_MAX", 3)
    with pytest.raises(Undecided):
        found(minimax, client, *[[item(f"1{n}", seconds=900)] for n in range(5)])
    assert len(minimax.calls("list")) == 3


def test_a_list_that_cannot_be_had_is_no_answer(minimax, client):
    for answer, outcome in ((Answer(429), Outcome.LATER), (Answer(fields={"items": None}), Outcome.AGAIN), (Answer(500), Outcome.AGAIN)):
        minimax.next("list", answer)
        with pytest.raises(MiniMaxError) as caught:
            client.find_lost(ORDER, sent_after=SENT, known_ids=())
        assert caught.value.outcome is outcome


def test_what_minimax_chose_itself_is_no_contradiction(minimax, client):
    minimax.next("list", Answer(fields={"items": [item("7")]}))
    order = replace(ORDER, ratio=None, resolution=None)
    assert client.find_lost(order, sent_after=SENT, known_ids=()) == "7"


def test_v1_cannot_find_or_cancel_anything(minimax):
    client = client_of(minimax)
    task_id = client.create(Order("video-01", "a cat"))
    assert not client.can_find_lost
    assert client.cancel(task_id) is False
    with pytest.raises(Undecided):
        client.find_lost(Order("video-01", "a cat"), sent_after=SENT, known_ids=())
    assert [request.call for request in minimax.requests] == ["create"]
