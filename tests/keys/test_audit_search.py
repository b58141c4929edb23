"""The audit's rows are found by whatever is asked for, and among 200,000 no search reads them all."""

from datetime import timedelta

import pytest

from conduit import clock
from keys.audit_search import FILTERS, LOOKED_AT, Wanted, search, values_of
from keys.models import AuditEntry
from tests.settings import ON_SQLITE
from tests.support.audits import make_audit
from tests.support.plans import plan_problems

ROWS = 200_000


def entry(**fields):
    return AuditEntry.objects.create(**{"who": "ann", "action": "change", "target": "key:1", **fields})


def found(text="", *, begins=None, ends=None, before=None, limit=50, **filters):
    return [row.pk for row in search(Wanted(filters=filters, text=text, begins=begins, ends=ends), before=before, limit=limit).entries]


@pytest.mark.django_db
@pytest.mark.sqlite
class TestWhatIsFound:
    def test_rows_are_told_newest_first_a_page_at_a_time(self):
        first, second, third = (entry().pk for _ in range(3))

        page = search(Wanted(filters={}), before=None, limit=2)
        assert ([row.pk for row in page.entries], page.next_before) == ([third, second], second)
        rest = search(Wanted(filters={}), before=page.next_before, limit=2)
        assert ([row.pk for row in rest.entries], rest.next_before) == ([first], None)

    @pytest.mark.parametrize("name", FILTERS)
    def test_each_filter_leaves_its_own(self, name):
        values = {"target": "team:7", "address": "10.0.0.1", "who": "bob", "action": "delete", "target_kind": "team"}
        other = entry()
        mine = entry(**{name: values[name]} if name != "target_kind" else {"target": "team:9"})

        assert found(**{name: values[name]}) == [mine.pk]
        assert other.pk in found()

    def test_filters_hold_together(self):
        mine = entry(who="bob", action="delete", target="team:7", address="10.0.0.1")
        entry(who="bob", action="create", target="team:7", address="10.0.0.1")
        entry(who="ann", action="delete", target="team:7", address="10.0.0.1")

        assert found(who="bob", action="delete", target_kind="team", address="10.0.0.1") == [mine.pk]

    @pytest.mark.parametrize("text", ["0.58", "BASE_PRICE", "wörk", "film", "bob", "50%", '"say"', "price 0.01"])
    def test_each_word_is_found_in_who_it_was_the_targets_name_or_what_changed(self, text):
        other = entry(changes={"note": "500"})
        changes = {"base_price": ["0.5800", "0.0100"], "note": 'Wörk at 50% "say"'}
        mine = entry(who="Bob", target_name="The Film", changes=changes)

        assert found(text) == [mine.pk]
        assert other.pk not in found(text)

    def test_words_that_no_row_has_together_find_none(self):
        entry(changes={"price": 1})
        entry(changes={"name": "film"})

        assert found("price film") == []

    def test_a_span_holds_its_beginning_and_not_its_end(self):
        now = clock.now()
        rows = [entry(created_at=now + timedelta(seconds=seconds)).pk for seconds in range(4)]

        assert found(begins=now + timedelta(seconds=1), ends=now + timedelta(seconds=3)) == [rows[2], rows[1]]
        assert found(begins=now + timedelta(seconds=9)) == found(ends=now - timedelta(seconds=9)) == []

    def test_rows_whose_ids_are_not_in_the_order_of_their_moments_are_within_the_span_all_the_same(self):
        now = clock.now()
        late, early = entry(created_at=now + timedelta(seconds=1)), entry(created_at=now)

        assert found(begins=now + timedelta(seconds=1)) == [late.pk]
        assert found(ends=now + timedelta(seconds=1)) == [early.pk]

    def test_a_page_that_could_not_look_at_all_rows_says_how_far_it_looked_and_leads_on(self, monkeypatch):
        monkeypatch.setattr("keys.audit_search.LOOKED_AT", 3)
        wanted = entry(changes={"name": "film"})
        others = [entry() for _ in range(4)]

        page = search(Wanted(filters={}, text="film"), before=None, limit=2)
        assert (list(page.entries), page.next_before, page.looked_back_to) == ([], others[1].pk, others[1].created_at)
        rest = search(Wanted(filters={}, text="film"), before=page.next_before, limit=2)
        assert ([row.pk for row in rest.entries], rest.next_before) == ([wanted.pk], None)

    def test_the_values_of_a_column_are_told_once_each(self):
        for who in ("bob", "ann", "bob", ""):
            entry(who=who)

        assert values_of("who", most=10) == ["ann", "bob"]
        assert values_of("who", most=1) == ["ann"]

    def test_an_audit_without_rows_has_no_values(self):
        assert values_of("who", most=10) == []


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.skipif(ON_SQLITE, reason="it is PostgreSQL that plans for millions")
def test_no_search_among_200_000_rows_reads_them_all():
    make_audit(ROWS)
    newest = AuditEntry.objects.latest("pk")
    busy = AuditEntry.objects.filter(who="busy").latest("pk")
    old = newest.created_at - timedelta(seconds=ROWS * 0.9)
    wanted = [
        Wanted(filters={}),
        *(Wanted(filters={name: getattr(newest, name)}) for name in FILTERS),
        # Who did much, and nothing lately; who did one thing; who does not exist.
        *(Wanted(filters={"who": who}) for who in ("left long ago", "once", "nobody")),
        Wanted(filters={"who": "left long ago", "action": "never"}),
        Wanted(filters={"who": newest.who, "action": "never", "target_kind": newest.target_kind}),
        Wanted(filters={"who": "busy", "action": "never", "target_kind": busy.target_kind}),
        Wanted(filters={"who": "busy"}, text="no such word"),
        Wanted(filters={}, text="no such word"),
        Wanted(filters={"who": "left long ago"}, text="no such word"),
        Wanted(filters={}, begins=old, ends=old + timedelta(hours=1)),
        Wanted(filters={}, ends=old),
    ]
    found = {}
    for one in wanted:
        assert plan_problems(lambda one=one: search(one, before=None, limit=50)) == [], one
        assert plan_problems(lambda one=one: search(one, before=newest.pk - ROWS // 2, limit=50)) == [], one
    # By a filter and a span the index of the filter is read from its newest entry on, the rows themselves are not.
    spans = Wanted(filters={"who": newest.who}, begins=old, ends=old + timedelta(hours=1))
    assert plan_problems(lambda: search(spans, before=None, limit=50), most=ROWS) == []
    for name in FILTERS:
        assert plan_problems(lambda name=name: values_of(name, most=100)) == []
    found["once"] = search(Wanted(filters={"who": "once"}), before=None, limit=50)
    assert (len(found["once"].entries), found["once"].next_before) == (1, None)
    assert search(Wanted(filters={}, text="no such word"), before=None, limit=50).next_before == newest.pk - LOOKED_AT + 1
