"""What a search finds, in the console and in `?q=` of /v1/admin/tasks."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from conduit import clock
from keys import budget_owners
from keys.services import change_key
from tasks import search as searching
from tasks import search_meaning as meaning
from tasks.models import Task
from tasks.search import Found, search
from tasks.search_language import NotUnderstood
from tasks.search_meaning import meaning_of
from tests.support.ending import end
from tests.support.envelopes import refused
from tests.support.managing import make_manager
from tests.support.marks import soak_on_sqlite
from tests.support.planned_clips import planned_clip
from videos.exchange_models import Exchange

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def found(text, **asked):
    return search(meaning_of(text, clock.now()).wanted, **{"after": None, "limit": 50} | asked)


@pytest.fixture
def place(make_consumer):
    """Tasks by the names that the searches below are to find."""
    ann, bob = make_consumer("batch-eu"), make_consumer("Batch US")
    film = budget_owners.create_team(name="film", who="root")
    change_key(bob.key, who="root", team=film)
    made = {
        "boat": ann.generate("A red boat, 100% calm", metadata={"shot": "12", "a name": 'say "x"'}),
        "rain": bob.generate("a street in the rain", duration=6, resolution="1920x1080", metadata={"shot": "7"}),
        "failed": ann.generate("a boat that sinks"),
        "cancelled": bob.generate("a train", duration=17),
        "done": ann.generate("under_water"),
    }
    ids = {name: UUID(task["task_id"]) for name, task in made.items()}
    now = clock.now()
    end(ids["failed"], "failed")
    end(ids["cancelled"], "cancelled")
    end(ids["done"], "completed")
    Task.objects.filter(pk=ids["rain"]).update(
        status="processing", stage="generating", stage_since=now - timedelta(minutes=20), last_error_code="rate_limit", model="video-01"
    )
    planned_clip(ids["rain"], 0, state="submitted", provider_task_id="275423911", file_id="f-8")
    Exchange.objects.create(
        video_id=ids["failed"], call="create", method="POST", path="/x", status="", message="", trace_id="0417aa", is_error=True,
        milliseconds=1, first_at=now, last_at=now,
    )  # fmt: skip
    return ids


# What is searched for in the place, and what is found.
SEARCHES = {
    "": "boat rain failed cancelled done",
    "boat": "boat failed",
    "BOAT red": "boat",
    '"red boat"': "boat",
    '"boat red"': "",
    "boat -red": "failed",
    "100%": "boat",
    "r_t": "",
    "under_water": "done",
    "batch-e": "boat failed done",
    "prompt:batch": "",
    "prompt:boat,train": "boat failed cancelled",
    "-prompt:boat,train": "rain done",
    "key:batch-eu": "boat failed done",
    'key:"batch us"': "rain cancelled",
    "key:batch*": "boat rain failed cancelled done",
    "-key:batch-eu": "rain cancelled",
    "team:film": "rain cancelled",
    "-team:film": "boat failed done",
    "model:video-01": "rain",
    "model:video-01,minimax-video": "boat rain failed cancelled done",
    "status:failed,cancelled": "failed cancelled",
    "status:active": "boat rain",
    "status:ended": "failed cancelled done",
    "-status:active": "failed cancelled done",
    "-status:failed status:ended": "cancelled done",
    "status:queued status:failed": "",
    "stage:generating": "rain",
    "stage:generating,failed": "rain failed",
    "-stage:generating": "boat failed cancelled done",
    "stage:generating status:failed": "",
    "error:provider_error": "failed",
    "error:provider_error,other boat": "failed",
    "-error:provider_error": "boat rain cancelled done",
    "refused:rate_limit": "rain",
    "provider:275423911": "rain",
    "provider:f-8,0417aa": "rain failed",
    "provider:1": "",
    "-provider:275423911": "boat failed cancelled done",
    "meta:shot=12": "boat",
    "meta:shot": "boat rain",
    "-meta:shot=12": "rain failed cancelled done",
    r'meta:"a name"="say \"x\""': "boat",
    "meta:shot=": "",
    "size:1920x1080": "rain",
    "seconds:17,60": "cancelled",
    "seconds>6": "cancelled",
    "cost>0.2": "rain",
    "cost:0.2": "boat done",
    "cost<=0": "failed cancelled",
    "wait>10m": "rain",
    "wait<10m": "boat",
    "-wait>10m": "boat",
    "created:today": "boat rain failed cancelled done",
    "created:<1d": "",
    "created:>1h -created:today": "",
    "created:2020-01-01": "",
    "ended:>1h": "failed cancelled done",
    "ended:today status:failed,completed": "failed done",
    "ended:<1h": "",
    "-ended:>1h": "boat rain",
    "started:>1h": "done",
    "-started:today": "boat rain failed cancelled",
}


def test_a_search_finds_what_all_its_parts_hold_for(place):
    """Of one place, which takes longer to make than all of them to be asked."""
    names = {task_id: name for name, task_id in place.items()}
    told = {text: [names[task_id] for task_id in found(text).task_ids] for text in SEARCHES}

    assert told == {text: sorted(wanted.split(), key=place.__getitem__, reverse=True) for text, wanted in SEARCHES.items()}


def test_what_ended_lately_is_found_whole_without_a_look_at_all_that_is_older(make_consumer, time_travel, monkeypatch):
    now, consumer = clock.now(), make_consumer("ann")
    monkeypatch.setattr(searching, "LOOKED_AT", 3)
    time_travel.move_to(now - timedelta(days=2))
    old = [UUID(consumer.generate()["task_id"]) for _ in range(4)]
    for task_id in old[:3]:
        end(task_id, "completed")
    time_travel.move_to(now)
    assert found("status:completed ended:>1h") == Found([], None)
    new = UUID(consumer.generate()["task_id"])
    end(new, "completed")
    assert found("status:completed ended:>1h") == Found([new], None)

    end(old[3], "completed")  # one that took long: it is looked for further back
    first = found("status:completed ended:>1h")
    assert (first.task_ids, first.next_after is None) == ([new, old[3]], False)
    monkeypatch.setattr(meaning, "EVENTS_LOOKED_AT", 1)
    assert meaning_of("ended:>1h", now).wanted.created_after is None
    assert meaning_of("ended:>2d", now + timedelta(days=1000)).wanted.created_after
    assert meaning_of("ended:2020-01-01", now).wanted.created_after is None


def test_a_task_is_found_by_its_id_and_by_parts_of_it(place):
    task_id = place["boat"]
    text = str(task_id)

    for part in (text, text.upper(), task_id.hex, text[-8:], "…" + text[-8:], text[-12:], text[-17:], text[-4:], text[:35]):
        assert found(f"id:{part}").task_ids == [task_id], part
    for part in (text, text[-8:], text[-12:]):
        assert found(part).task_ids == [task_id], part
    assert found(f"id:{text},{place['rain']}").task_ids == [place["rain"], task_id]
    assert task_id not in found(f"-id:{text[-8:]}").task_ids
    assert set(place.values()) >= set(found(f"id:{text[:13]}").task_ids) >= {task_id}
    assert found("id:00000000-0000-7000-8000-000000000000") == Found([], None)


def test_what_minimax_calls_a_job_finds_its_task_without_a_qualifier(place):
    planned_clip(place["boat"], 0, state="submitted", provider_task_id="176843862716480")

    assert found("176843862716480").task_ids == [place["boat"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("status:done", "There are queued, processing"),
        ("key:nobody", "there is no key `nobody`"),
        ("team:x", "there is no team `x`"),
        ("key:999999", "there is no key `999999`"),
        ("id:xyz", "at least the last 4 characters"),
        ("id:abc", "at least the last 4 characters"),
        ("cost>much", "an amount of USD"),
        ("meta:=x", "meta:name=value"),
        ("created:soon", "write a day"),
    ],
)
@soak_on_sqlite
def test_what_names_nothing_is_told_so(place, text, says):
    with pytest.raises(NotUnderstood) as raised:
        found(f"boat {text}")

    assert raised.value.part == text
    assert says in raised.value.message


def test_a_key_and_a_team_that_is_gone_are_found_by_number(place, make_consumer):
    task = Task.objects.get(pk=place["rain"])
    Task.objects.filter(pk=task.pk).update(team_id=4711)

    assert place["boat"] in found(f"key:{Task.objects.get(pk=place['boat']).key_id}").task_ids
    assert found("team:4711").task_ids == [task.pk]


def test_several_values_of_one_index_are_each_looked_up_and_none_is_missed(place, make_consumer, monkeypatch):
    """Each gets a share of the rows: a page ends where the first of them was looked at no further."""
    monkeypatch.setattr(searching, "LOOKED_AT", 4)
    consumer = make_consumer("many")
    made = [place["failed"], place["cancelled"]]
    for number in range(12):
        task_id = UUID(consumer.generate(f"number {number}")["task_id"])
        end(task_id, "cancelled" if number < 9 else "failed")
        made.append(task_id)

    for newer in (False, True):
        seen, after = [], None
        for _ in range(20):
            page = found("status:failed,cancelled", after=after, limit=3, newer=newer)
            seen += page.task_ids
            after = page.next_after
            if after is None:
                break
        assert seen == sorted(made, reverse=not newer)


def test_newer_tasks_come_oldest_first_after_the_one_that_is_known(place):
    ordered = sorted(place.values())

    assert found("", after=ordered[1], limit=2, newer=True) == Found(ordered[2:4], ordered[3])
    assert found("-prompt:nothing", after=ordered[1], limit=2, newer=True) == Found(ordered[2:4], ordered[3])
    assert found("key:batch*", after=ordered[2], limit=5, newer=True) == Found(ordered[3:], None)


# ---- In the management API


def test_the_management_api_takes_the_same_search_beside_its_filters(place):
    manager = make_manager()

    def ids(query):
        return {task["task_id"] for task in manager.done("GET", f"tasks?{query}")["data"]}

    assert ids("q=boat") == {str(place["boat"]), str(place["failed"])}
    assert ids("q=boat&status=failed") == {str(place["failed"])}
    assert ids("q=status:queued&status=failed") == set()
    assert ids("q=prompt:boat+created:>1h&created_after=2020-01-01&limit=1") == {str(place["failed"])}
    assert "`colour:red` is not understood" in refused(manager("GET", "tasks?q=colour:red"), 400, "invalid_request", "q")


def test_cost_compares_what_is_charged_and_else_what_is_held(place):
    Task.objects.filter(pk=place["done"]).update(charged=Decimal("0.05"))

    assert found("cost<0.1 -status:failed,cancelled").task_ids == [place["done"]]
