"""Who is served next of those that wait: weighted fair queueing between keys, between teams above them, and classes above those.

Start-time fair queueing (Goyal, Vin, Cheng: 1996), in a tree: root, classes (a key's priority), teams, keys; a key without a team stands
where teams do. Each node has a virtual time for those below it, and each below it the moment of that time at which its next service
begins: where its last one ended, which is its price by its weight later than it began. The one that begins first is served first, and of
several the one that waits longest. A key that was idle begins at the present, so it has saved up nothing; nor is it behind the thousand
that another has waiting.

A class has four times the share of the one below it, and no more: so nobody starves.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.db import connection

from conduit import clock
from keys.models import Team, VirtualKey
from tasks.line_models import Share

CLASS_FACTOR = 4
# What a service costs at least, in seconds of video: an image is a create like any other.
LEAST_PRICE = 1.0

Subject = TypeVar("Subject")
# By the path of a node: when its next service begins, and the virtual time of those below it.
Shares = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Flow:
    """Whose something is, and by which weights it is served."""

    key_id: int
    weight: int = 1
    priority: int = 0
    team_id: int | None = None
    team_weight: int = 1

    @property
    def path(self) -> list[tuple[str, float]]:
        """Its nodes below the root, each with its weight."""
        of_class = str(self.priority)
        nodes: list[tuple[str, float]] = [(of_class, float(CLASS_FACTOR**self.priority))]
        if self.team_id is not None:
            nodes.append((f"{of_class}/t{self.team_id}", float(self.team_weight)))
        return [*nodes, (f"{nodes[-1][0]}/k{self.key_id}", float(self.weight))]


@dataclass(frozen=True)
class Waiting(Generic[Subject]):
    """One that waits: its price in seconds of video, and where it stands among those that begin alike (the lower the earlier)."""

    subject: Subject
    flow: Flow
    price: float
    order: Any


@dataclass
class _Node(Generic[Subject]):
    name: str
    weight: float
    parent: "_Node[Subject] | None"
    start: float
    now: float
    below: "list[tuple[float, Any, str, _Node[Subject]]]" = field(default_factory=list)
    line: "deque[Waiting[Subject]]" = field(default_factory=deque)

    @property
    def order(self) -> Any:
        """By which it is told from others that begin when it does."""
        return self.line[0].order if self.line else self.below[0][1]

    @property
    def is_empty(self) -> bool:
        return not self.line and not self.below


class Tree(Generic[Subject]):
    """Serves those that wait, one after the other. `shares` are learnt from, and `changed` ones told, by the path of their node."""

    def __init__(self, shares: Mapping[str, tuple[float, float]], waiting: Iterable[Waiting[Subject]]) -> None:
        """`waiting`: those of one key in the order in which it wants them served."""
        self._shares = shares
        self._root: _Node[Subject] = self._node("", 1.0, None)
        self._nodes: dict[str, _Node[Subject]] = {}
        self.changed: Shares = {}
        leaves: dict[int, _Node[Subject]] = {}
        for one in waiting:
            if one.flow.key_id not in leaves:
                leaves[one.flow.key_id] = self._leaf(one.flow)
            leaves[one.flow.key_id].line.append(one)
        # From the leaves up: a node stands in the heap above it by the first of those below it.
        for node in sorted(self._nodes.values(), key=lambda node: -node.name.count("/")):
            self._enqueue(node)

    def _node(self, name: str, weight: float, parent: "_Node[Subject] | None") -> "_Node[Subject]":
        start, now = self._shares.get(name, (0.0, 0.0))
        return _Node(name, weight, parent, max(start, parent.now if parent else 0.0), now)

    def _leaf(self, flow: Flow) -> "_Node[Subject]":
        node = self._root
        for name, weight in flow.path:
            if name not in self._nodes:
                self._nodes[name] = self._node(name, weight, node)
            node = self._nodes[name]
        return node

    def _enqueue(self, node: "_Node[Subject]") -> None:
        if node.parent is not None and not node.is_empty:
            heapq.heappush(node.parent.below, (node.start, node.order, node.name, node))

    def serve(self) -> Waiting[Subject] | None:
        """The next, which pays for it; None when nobody waits."""
        if self._root.is_empty:
            return None
        return self._serve(self._root)

    def _serve(self, node: "_Node[Subject]") -> Waiting[Subject]:
        if node.line:
            return node.line.popleft()
        start, _, _, below = heapq.heappop(node.below)
        node.now = start
        self.changed[node.name] = (node.start, node.now)
        served = self._serve(below)
        below.start = start + max(served.price, LEAST_PRICE) / below.weight
        self.changed[below.name] = (below.start, below.now)
        self._enqueue(below)
        return served

    def all(self) -> Iterator[Waiting[Subject]]:
        """All of them in their order."""
        while one := self.serve():
            yield one


# ---- In the database -----------------------------------------------------------------------------------------------------


def flows(keys: Iterable[tuple[int, int | None]]) -> dict[int, Flow]:
    """The flows of keys, each with the team that its tasks count in, by the keys' ids. Two queries."""
    pairs = dict(keys)
    teams = dict(Team.objects.filter(pk__in={team for team in pairs.values() if team is not None}).values_list("pk", "weight"))
    rows = VirtualKey.objects.filter(pk__in=pairs).values_list("pk", "weight", "priority")
    return {pk: Flow(pk, weight, priority, pairs[pk], teams.get(pairs[pk] or 0, 1)) for pk, weight, priority in rows}


def lock(line: str) -> bool:
    """Be the only process that serves that line until this transaction ends; False when another does."""
    rows = Share.objects.filter(line=line, node="")
    if not rows.exists():
        Share.objects.bulk_create([Share(line=line)], ignore_conflicts=True)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, no_key=True)
    return bool(list(rows))


def claim(line: str, seconds: float) -> bool:
    """Be the only process that does something about that line for so long; False when another is. Holds no transaction open."""
    now = clock.now().timestamp()
    rows = Share.objects.filter(line=line, node="")
    if not rows.exists():
        Share.objects.bulk_create([Share(line=line)], ignore_conflicts=True)
    return bool(rows.filter(start__lte=now).update(start=now + seconds))


def claimed_until(line: str, seconds: float) -> None:
    """It is done: the first process that comes in so many seconds does it anew."""
    Share.objects.filter(line=line, node="").update(start=clock.now().timestamp() + seconds)


def read(line: str) -> Shares:
    return {node: (start, now) for node, start, now in Share.objects.filter(line=line).values_list("node", "start", "now")}


def write(line: str, changed: Mapping[str, tuple[float, float]]) -> None:
    """Belongs into the transaction that has locked the line."""
    rows = [Share(line=line, node=node, start=start, now=now) for node, (start, now) in changed.items()]
    if rows:
        Share.objects.bulk_create(rows, update_conflicts=True, unique_fields=["line", "node"], update_fields=["start", "now"])


def forget(line: str) -> None:
    """Nobody waits any more: the next task begins anew. The root stays, which is locked."""
    Share.objects.filter(line=line).exclude(node="").delete()
    Share.objects.filter(line=line, node="").exclude(start=0, now=0).update(start=0, now=0)
