"""Which caller that waits comes next: of those that may have more, the one that has least.

What a caller has is counted under one to three names (its key, its address, its secret alone), each with a bound. Every step here is
as quick with thousands that wait as with two: a caller that may have no more stands aside under the name that is full until it is less so.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Caller = TypeVar("Caller", bound=Hashable)
Job = TypeVar("Job")
# Under which names a caller counts, and how many of each may be at work; the first is its name to others.
Names = tuple[tuple[str, int], ...]


class FairQueue(Generic[Caller, Job]):
    """Knows how many are at work by what it is told: `begun` and `ended`."""

    def __init__(self, names_of: Callable[[Caller], Names], *, most: int) -> None:
        """`most`: no name's bound is larger."""
        self._names_of = names_of
        self._jobs: dict[Caller, deque[Job]] = {}
        self._running: Counter[str] = Counter()
        # Callers that may come next, by their first name, and these names by how many they have at work.
        self._ready: dict[str, OrderedDict[Caller, None]] = {}
        self._levels: list[OrderedDict[str, None]] = [OrderedDict() for _ in range(most + 1)]
        # By first name, the names for whose room somebody was called forward under it.
        self._called_for: dict[str, set[str]] = {}
        # Callers that stand aside, by the name that is full.
        self._aside: dict[str, OrderedDict[Caller, None]] = {}
        self._places: dict[Caller, tuple[dict[str, OrderedDict[Caller, None]], str, Names]] = {}

    def put(self, caller: Caller, job: Job) -> None:
        """At the end of what this caller waits for."""
        jobs = self._jobs.setdefault(caller, deque())
        jobs.append(job)
        if len(jobs) == 1:
            self._enter(caller)

    def remove(self, caller: Caller, job: Job) -> None:
        """It waits no more. Again is fine."""
        jobs = self._jobs.get(caller)
        if not jobs or job not in jobs:
            return
        jobs.remove(job)
        if not jobs:
            del self._jobs[caller]
            self._pass_on(self._leave(caller))

    def changed(self, caller: Caller) -> None:
        """It counts under other names from now on."""
        if caller in self._jobs:
            names = self._leave(caller)
            self._enter(caller)
            self._pass_on(names)

    def take(self) -> Job | None:
        """The next that may begin; None when nobody may."""
        while level := next(filter(None, self._levels[:-1]), None):
            name = next(iter(level))
            caller = next(iter(self._ready[name]))
            full = next((full for full, most in self._names_of(caller) if self._running[full] >= most), None)
            if full is None:
                level.move_to_end(name)
                return self._taken(caller, name)
            self._pass_on(self._leave(caller))  # may put somebody on a lower level
            self._stand(caller, self._aside, full)
        return None

    def _taken(self, caller: Caller, name: str) -> Job:
        jobs = self._jobs[caller]
        job = jobs.popleft()
        if jobs:
            self._ready[name].move_to_end(caller)
        else:
            del self._jobs[caller]
            self._leave(caller)
        return job

    def begun(self, *names: str) -> None:
        """One more is at work under each of these names."""
        for name in names:
            self._count(name, 1)
        for name in names:
            if self._is_full(name):  # those called forward under it are not looked at now: others may use what they were called for
                for freed in self._called_for.pop(name, ()):
                    self._come_forward(freed)

    def ended(self, *names: str) -> None:
        for name in names:
            self._count(name, -1)
            self._come_forward(name)

    def _count(self, name: str, change: int) -> None:
        waits = name in self._ready
        if waits:
            del self._level(name)[name]
        self._running[name] += change
        if waits:
            self._level(name)[name] = None
        if not self._running[name]:
            del self._running[name]

    def _level(self, name: str) -> OrderedDict[str, None]:
        return self._levels[min(self._running[name], len(self._levels) - 1)]

    def _is_full(self, name: str) -> bool:
        return self._running[name] >= len(self._levels) - 1

    # ---- Where a caller stands

    def _enter(self, caller: Caller) -> str:
        """Among those that may come next, under the name that is returned."""
        name = self._names_of(caller)[0][0]
        if name not in self._ready:
            self._level(name)[name] = None
        self._stand(caller, self._ready, name)
        return name

    def _stand(self, caller: Caller, where: dict[str, OrderedDict[Caller, None]], name: str) -> None:
        where.setdefault(name, OrderedDict())[caller] = None
        self._places[caller] = where, name, self._names_of(caller)

    def _leave(self, caller: Caller) -> Names:
        """The names that it counted under while it stood there."""
        where, name, names = self._places.pop(caller)
        del where[name][caller]
        if not where[name]:
            del where[name]
            if where is self._ready:
                del self._level(name)[name]
                self._called_for.pop(name, None)
        return names

    def _pass_on(self, names: Names) -> None:
        """Another may use what the one that left was called forward for."""
        for name, most in names:
            if self._running[name] < most:
                self._come_forward(name)

    def _come_forward(self, name: str) -> None:
        """One that stands aside under it may use its room; one that counts elsewhere by now, or waits for another name too, may not."""
        while aside := self._aside.get(name):
            caller = next(iter(aside))
            self._leave(caller)
            first = self._enter(caller)
            if not self._is_full(first) and any(name == counted for counted, _ in self._names_of(caller)):
                self._called_for.setdefault(first, set()).add(name)
                return
