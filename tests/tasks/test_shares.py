"""The order in which those that wait are served: numbers alone."""

from collections import Counter
from itertools import count, islice

import pytest

from tasks.shares import Flow, Tree, Waiting


def waiting(*flows, each=1, price=6.0):
    """So many of each flow, those of one flow after the other."""
    numbers = count()
    return [Waiting(f"{flow.key_id}", flow, price, next(numbers)) for flow in flows for _ in range(each)]


def served(tree, number):
    return [one.flow.key_id for one in islice(tree.all(), number)]


def shares_of(tree, number):
    return Counter(served(tree, number))


def jain(shares):
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


HOG = Flow(1)


def test_one_that_comes_late_is_served_next_however_many_another_has_waiting():
    tree = Tree({}, waiting(HOG, each=1000))
    assert served(tree, 300) == [1] * 300

    later = Tree(tree.changed, [*waiting(HOG, each=700), Waiting("2", Flow(2), 6.0, 10**6)])

    assert served(later, 2) == [2, 1]


def test_twenty_that_come_at_once_are_served_in_their_order_before_the_hog_again():
    hog = Tree({}, waiting(HOG, each=5))
    served(hog, 5)

    tree = Tree(hog.changed, waiting(HOG, *(Flow(number) for number in range(2, 22)), each=1))

    assert served(tree, 21) == [*range(2, 22), 1]


def test_weights_share_what_there_is():
    flows = [Flow(number, weight=weight) for number, weight in enumerate((1, 2, 3, 5, 9))]

    shares = shares_of(Tree({}, waiting(*flows, each=400)), 200)

    assert jain([shares[flow.key_id] / flow.weight for flow in flows]) > 0.99


def test_teams_share_first_and_their_keys_what_they_have():
    film = [Flow(number, team_id=1) for number in range(1, 10)]
    alone, lab = Flow(20), Flow(30, team_id=2, team_weight=2)

    shares = shares_of(Tree({}, waiting(*film, alone, lab, each=400)), 400)

    assert {100} == {shares[20]} == {sum(shares[flow.key_id] for flow in film)}
    assert shares[30] == 200
    assert max(shares[flow.key_id] for flow in film) - min(shares[flow.key_id] for flow in film) <= 1


def test_a_price_is_paid_in_seconds_of_video():
    long, short = Flow(1), Flow(2)
    items = waiting(long, each=100, price=15.0) + waiting(short, each=100, price=5.0)

    shares = shares_of(Tree({}, items), 80)

    assert shares == {1: 20, 2: 60}


@pytest.mark.parametrize(("high", "low"), [(1, 0), (2, 1)])
def test_a_higher_class_is_served_first_and_never_has_it_all(high, low):
    tree = Tree({}, waiting(*(Flow(number, priority=low) for number in range(50)), Flow(99, priority=high), each=100))

    shares = shares_of(tree, 100)

    assert 79 <= shares[99] <= 81


def test_an_idle_key_has_saved_up_nothing_and_owes_nothing_for_long():
    both = Tree({}, waiting(Flow(1), Flow(2), each=50))
    served(both, 40)
    alone = Tree(both.changed, waiting(Flow(1), each=200))
    served(alone, 100)

    again = Tree(both.changed | alone.changed, waiting(Flow(1), Flow(2), each=50))

    assert shares_of(again, 20) == {1: 10, 2: 10}
