"""Among 100,000 tasks no page of the console reads a whole table, and neither do the read models that its live parts ask."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conduit.conditions.looking import look
from conduit.rollups.steps import SPANS
from keys import rollups as money
from tasks import rollups as tasks
from tests.settings import ON_SQLITE
from tests.support.console_addresses import ADDRESSES, Address
from tests.support.many import Many, make_many, remove_many
from tests.support.plans import plan_problems
from videos.models import Clip
from videos.now import before, live, spanned, yesterday

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(ON_SQLITE, reason="it is PostgreSQL that plans for millions"),
]


@pytest.fixture(scope="module")
def many(django_db_setup: None, django_db_blocker) -> Iterator[Many]:
    with django_db_blocker.unblock():
        made = make_many()
    yield made
    with django_db_blocker.unblock():
        remove_many()


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address.name)
def test_a_page_reads_no_whole_table(many: Many, operator: Client, address: Address):
    path = f"/admin/{address.path(many)}"
    answers = []

    assert not plan_problems(lambda: answers.append(operator.get(path)), most=address.most)

    assert [answer.status_code for answer in answers] == [200], path


READS: dict[str, Callable[[Many], object]] = {
    "live": lambda many: live(),
    "looks of conditions": lambda many: look(),
    "money of a key": lambda many: money.by_day(_days(many, key_id=many.first_key)),
    "money of a team": lambda many: money.by_key(_days(many, team_id=many.team)),
    "money of all keys": lambda many: money.by_key(_days(many)),
    "what happened at all": lambda many: [tasks.total(tasks.chart(span)) for span in SPANS.values()],
    "money of yesterday": lambda many: yesterday(),
    **{f"spanned {name}": lambda many, span=span: (spanned(span), before(span)) for name, span in SPANS.items()},
}


def _days(many: Many, **wanted: int):
    return money.of_days(many.now.date().replace(day=1), many.now.date(), **wanted)


@pytest.mark.parametrize("name", READS)
def test_a_read_model_reads_no_whole_table(many: Many, name: str):
    assert not plan_problems(lambda: READS[name](many))


def test_jobs_that_outlived_their_tasks_are_told_from_those_in_flight_without_a_look_at_either_s_rows(many: Many):
    plan = Clip.objects.outlived().values_list("pk", "billed").explain(format="json", costs=False)

    assert set(re.findall(r'"Node Type": "([^"]*Scan)"', plan)) == {"Index Only Scan"}
    assert set(re.findall(r'"Index Name": "(\w+)"', plan)) <= {"clip_outlived", "task_under_way", "tasks_task_pkey"}
