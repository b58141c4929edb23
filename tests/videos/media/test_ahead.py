"""What a thread makes ready before it is asked for."""

from threading import Event, current_thread

import pytest

from videos.media.ahead import ahead


def test_things_come_in_their_order_and_out_of_another_thread():
    makers = set()

    def things():
        for number in range(20):
            makers.add(current_thread())
            yield number

    assert list(ahead(things(), by=3)) == list(range(20))
    assert len(makers) == 1
    assert current_thread() not in makers


def test_what_goes_wrong_is_raised_where_it_would_have_come():
    def things():
        yield 1
        yield 2
        raise ValueError("the third is damaged")

    coming, come = ahead(things(), by=4), []
    with pytest.raises(ValueError, match="the third is damaged"):
        come.extend(coming)
    assert list(come) == [1, 2]


def test_no_more_are_made_than_there_is_room_for_and_who_stops_early_ends_the_making():
    made, closed, enough = [], [], Event()

    def things():
        try:
            for number in range(100):
                made.append(number)
                if len(made) == 4:
                    enough.set()
                yield number
        finally:
            closed.append(True)

    coming = ahead(things(), by=3)
    assert next(coming) == 0
    assert enough.wait(60)
    coming.close()
    assert made == [0, 1, 2, 3]
    assert closed == [True]
