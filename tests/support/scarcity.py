"""MiniMax's creates, scarce, in simulated time: the engine's own steps and the dealing are real, the network and the waiting are not."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from conduit import clock
from keys.models import VirtualKey
from tasks.ids import new_task_id
from tasks.models import FAIR_SHARE, Lane, Status, Task
from tasks.progress import NOT_KNOWN
from tests.support.time_travel import TimeTravel
from videos import engine, kept_catalogue
from videos.accounts import dealing, surveying
from videos.minimax import errors
from videos.minimax.errors import MiniMaxError
from videos.models import Clip, ClipState, Video
from videos.presentation import KIND
from videos.queue_models import QueuedCreate
from videos.requests import GenerationRequest
from videos.services import quote

MINUTE = 60.0


class Scarce:
    """Accepts so many creates of each account within any minute, and keeps when each came, and whose it was."""

    def __init__(self, **limits: int) -> None:
        self.limits = limits
        self.accepted: defaultdict[str, deque[float]] = defaultdict(deque)
        self.orders: list[tuple[float, UUID]] = []
        self.refused: list[float] = []
        self._dead: set[str] = set()

    def die(self, name: str) -> None:
        """From now on that account's balance is empty."""
        self._dead.add(name)

    def live(self, name: str) -> None:
        self._dead.discard(name)

    def client(self, clip: Clip) -> "Scarce._Client":
        return Scarce._Client(self, clip)

    @dataclass
    class _Client:
        there: "Scarce"
        clip: Clip

        def create(self, order: Any) -> str:
            there, now = self.there, clock.now().timestamp()
            assert self.clip.account is not None
            name = self.clip.account.name
            if name in there._dead:
                raise MiniMaxError(*errors.QUOTA, provider_code=1008)
            lately = there.accepted[name]
            while lately and lately[0] <= now - MINUTE:
                lately.popleft()
            if len(lately) >= there.limits[name]:
                there.refused.append(now)
                raise MiniMaxError(*errors.RATE, provider_code=1002)
            lately.append(now)
            there.orders.append((now, self.clip.video_id))
            return str(len(there.orders))


def crowd(key: VirtualKey, count: int, *, clips: int = 1, model: str = "minimax-video") -> list[UUID]:
    """So many tasks of a key that stand in line, of so many clips each; those of several are begun: their first is ready."""
    wanted = GenerationRequest.parse({"model": model, "prompt": "a cat", "duration": 6 if clips == 1 else 6 * clips - 2})
    quoted = quote(wanted, key=key, catalogue=kept_catalogue.at(None))
    plan, now = quoted.planned.plan, clock.now()
    status = Status.QUEUED if clips == 1 else Status.PROCESSING
    of_task = {"key": key, "team_id": key.team_id, "kind": KIND, "model": model, "price": quoted.price, "status": status}
    line = {"waits_for": FAIR_SHARE, "next_step_at": NOT_KNOWN, "rest_seconds": quoted.planned.seconds}
    tasks = Task.objects.bulk_create([Task(id=new_task_id(), **of_task, **line) for _ in range(count)])
    sized = {"prompt": "a cat", "duration": wanted.duration, "resolution": wanted.resolution, "aspect_ratio": "16:9"}
    Video.objects.bulk_create([Video(task=task, upstream="video-01", plan=quoted.planned.stored, **sized) for task in tasks])
    ready = {"state": ClipState.READY, "provider_task_id": "1", "made_at": now, "file": "there", "last_frame": "there"}
    Clip.objects.bulk_create(
        Clip(video_id=task.pk, number=number, **asdict(planned), **(ready if clips > 1 and number == 0 else {}))
        for task in tasks
        for number, planned in enumerate(plan.clips)
    )
    at_hand = plan.clips[0 if clips == 1 else 1]
    of_line = {"key_id": key.pk, "team_id": key.team_id, "api": "v1", "model": model, "is_begun": clips > 1}
    of_line |= {"upstream": at_hand.upstream, "roles": "" if clips == 1 else "first_frame"}
    QueuedCreate.objects.bulk_create(
        QueuedCreate(task=task, seconds=at_hand.seconds, expected_seconds=at_hand.expected_seconds, joined_at=now, **of_line)
        for task in tasks
    )
    return [task.pk for task in tasks]


@dataclass
class Simulation:
    """Runs the place by a clock that is moved: deals as the dealer does, has those that were called ordered a moment later."""

    travel: TimeTravel
    minimax: Scarce
    delay: float = 0.05  # from the call to the order
    survey_every: float = 3.0  # seconds; 0: never
    each_survey: list[Callable[[], None]] = field(default_factory=list)
    began: datetime = field(default_factory=clock.now)
    events: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @property
    def now(self) -> float:
        return (clock.now() - self.began).total_seconds()

    def at(self, second: float, do: Callable[[], None]) -> None:
        self.events.append((second, do))
        self.events.sort(key=lambda event: event[0])

    def run(self, until: float) -> None:
        surveyed = self.now - self.survey_every
        while self.now < until:
            while self.events and self.events[0][0] <= self.now:
                self.events.pop(0)[1]()
            pause = dealing.deal() or 1.0
            if self.survey_every and self.now - surveyed >= self.survey_every:
                surveying.survey()
                surveyed = self.now
                for look in self.each_survey:
                    look()
            # Of those under way only what waits to be ordered is of interest here.
            due = Task.objects.due(clock.now(), Lane.PROVIDER).exclude(video__clips__state=ClipState.SUBMITTED).values_list("pk", flat=True)
            if called := list(due):
                self.travel.shift(self.delay)
                self.step(called)
                continue
            ahead = self.events[0][0] - self.now if self.events else until - self.now
            self.travel.shift(max(0.02, min(pause, ahead, self.survey_every or ahead)))

    def step(self, task_ids: Iterable[UUID]) -> None:
        for task_id in task_ids:
            engine.advance(task_id, lane=Lane.PROVIDER)

    def ordered(self) -> dict[UUID, float]:
        """When each task's first order was accepted, in seconds since the beginning."""
        found: dict[UUID, float] = {}
        for moment, task_id in self.minimax.orders:
            found.setdefault(task_id, moment - self.began.timestamp())
        return found

    def orders_of(self, since: float = 0.0) -> Counter[int]:
        """Orders by key."""
        keys = dict(Task.objects.values_list("pk", "key_id"))
        return Counter(keys[task_id] for moment, task_id in self.minimax.orders if moment - self.began.timestamp() >= since)
