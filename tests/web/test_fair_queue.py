"""Who comes next: whoever may have more and has least, and nobody is forgotten who may."""

import random
from collections import Counter

import pytest

from conduit.web.fair_queue import FairQueue, Names

MOST = 3


class World:
    """Callers are (address, secret) with owners that change; what the queue says is compared with what is so."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.owners: dict[str, str] = {}
        self.let_in: set[tuple[str, str]] = set()
        self.queue: FairQueue[tuple[str, str], tuple[tuple[str, str], int]] = FairQueue(self.names_of, most=MOST)
        self.waiting: list[tuple[tuple[str, str], int]] = []
        self.at_work: list[tuple[str, ...]] = []
        self.number = 0

    def names_of(self, caller: tuple[str, str]) -> Names:
        address, secret = caller
        owner = self.owners.get(secret)
        if owner and caller in self.let_in:
            return ((owner, MOST),)
        names = ((address, MOST), (secret, 1))
        return (*names, (owner, MOST)) if owner else names

    def may_begin(self, caller: tuple[str, str]) -> bool:
        running = Counter(name for names in self.at_work for name in names)
        return all(running[name] < most for name, most in self.names_of(caller))

    def step(self) -> None:
        caller = (f"address {self.chance.randrange(4)}", f"secret {self.chance.randrange(6)}")
        match self.chance.randrange(6):
            case 0 | 1 | 2:
                self.number += 1
                self.waiting.append((caller, self.number))
                self.queue.put(caller, (caller, self.number))
            case 3 if self.at_work:
                self.queue.ended(*self.at_work.pop(self.chance.randrange(len(self.at_work))))
            case 4 if self.waiting:
                job = self.waiting.pop(self.chance.randrange(len(self.waiting)))
                self.queue.remove(job[0], job)
            case 5:
                self.owners[caller[1]] = f"key {self.chance.randrange(3)}"
                self.let_in ^= {caller}
                for number in self.chance.sample(range(4), 4):
                    self.queue.changed((f"address {number}", caller[1]))
        self.take()

    def take(self) -> None:
        while job := self.queue.take():
            assert self.may_begin(job[0])
            assert job == next(one for one in self.waiting if one[0] == job[0])  # in the caller's order
            self.waiting.remove(job)
            names = tuple(name for name, _ in self.names_of(job[0]))
            self.at_work.append(names)
            self.queue.begun(*names)
            if self.chance.random() < 0.5:
                return
        assert not [job for job in self.waiting if self.may_begin(job[0])]


@pytest.mark.parametrize("seed", [*range(15), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(15, 60))])
def test_nobody_who_may_begin_is_left_and_nobody_begins_who_may_not(seed):
    world = World(seed)
    for _ in range(500):
        world.step()


def test_a_step_costs_the_same_however_many_stand_aside():
    asked = Counter[str]()

    def names_of(caller: int) -> Names:
        asked["names"] += 1
        return ((f"address {caller}", MOST), ("lost secret", 1))

    queue: FairQueue[int, int] = FairQueue(names_of, most=MOST)
    for caller in range(2000):
        queue.put(caller, caller)
    queue.begun("lost secret")
    assert queue.take() is None  # all of them were looked at once
    asked.clear()
    for _ in range(100):
        queue.ended("lost secret")
        assert queue.take() is not None
        queue.begun("lost secret")
        assert queue.take() is None
    assert asked["names"] < 1000
