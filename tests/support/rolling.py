"""Counting what is new at once, as the tick of a running stack does each second."""

from conduit.rollups import registry


def roll_up() -> None:
    for rollup in registry.registered():
        while rollup.roll_up and rollup.roll_up():
            pass
