"""The jobs, kept in a journal: a line when one is accepted, and one when a client deletes it.

How far a job is follows from when it was accepted and how long it takes, so a restart changes nothing.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from videos.minimax.sandbox.accounts import MAIN
from videos.minimax.sandbox.catalogue import MODELS, Made, Model
from videos.minimax.sandbox.creation import Wanted
from videos.minimax.sandbox.drawing import DrawnClip
from videos.minimax.sandbox.faults import Directive, parse_directive
from videos.minimax.sandbox.jsonlines import JsonLines
from videos.minimax.sandbox.shapes import V2_PIXELS, scaled, v1_pixels

# Until this share of its time a job is said to be in that status.
_PREPARING, _QUEUEING = 0.03, 0.10
# A job that never ends comes this far, and one that never begins so far.
_STUCK_AT, _QUEUED_AT = 0.99, 0.05
# How V2 calls the statuses of V1.
_V2_WORDS = {
    "Preparing": "queued",
    "Queueing": "queued",
    "Processing": "running",
    "Success": "succeeded",
    "Fail": "failed",
    "Failed": "failed",
}
# Records can be asked for so long.
_KEPT_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Job:
    task_id: int
    file_id: int
    model: str
    prompt: str
    length: int
    size: str
    created_at: float
    # From the create to the end, in real seconds: the scale of time is already in it.
    seconds: float
    faults: tuple[Directive, ...]
    # V2's ratio.
    ratio: str = ""
    # The image that the clip begins with: the name under which it is kept, its pixels, and the number in it.
    first_frame: str = ""
    frame_pixels: tuple[int, int] | None = None
    starts_at: int | None = None
    deleted_at: float | None = None
    account: str = MAIN
    images: int = 0
    watermark: bool = False
    callback_url: str = ""

    BEGINS_AT: ClassVar[float] = _QUEUEING  # as a share of its time

    @property
    def api(self) -> str:
        return self._model.api

    @property
    def _model(self) -> Model:
        return MODELS[self.model]

    @property
    def made(self) -> Made:
        return self._model.makes[self.length, self.size]

    @property
    def price(self) -> Decimal:
        """USD that it is billed."""
        return self._model.price(self.length, self.size, self.images)

    def has(self, fault: str) -> bool:
        return any(directive.name == fault for directive in self.faults)

    def value(self, fault: str, default: int) -> int:
        return next((int(directive.value) for directive in self.faults if directive.name == fault), default)

    def fraction(self, now: float) -> float:
        """How much of its time has passed, from 0 to 1; what MiniMax never tells."""
        if self.deleted_at is not None:
            now = min(now, self.deleted_at)
        age = max(0.0, now - self.created_at)
        passed = age / self.seconds if age < self.seconds else 1.0
        limit = _QUEUED_AT if self.has("queued") else _STUCK_AT if self.has("stuck") else 1.0
        return min(passed, limit)

    def status(self, now: float) -> str:
        """In the words of the job's API."""
        word = self._v1_status(now)
        if self.api == "v1":
            return word
        return "cancelled" if self.is_cancelled() else _V2_WORDS.get(word, word.lower())

    def verdict_code(self, now: float) -> int:
        """The `base_resp` code of a query: not 0 once the job has failed."""
        return self._verdict()[1] if self.fraction(now) >= 1 else 0

    def is_waiting(self, now: float) -> bool:
        """Whether it has not begun, and so can be cancelled."""
        return self.fraction(now) < _QUEUEING

    def is_cancelled(self) -> bool:
        return self.deleted_at is not None and self.is_waiting(self.deleted_at)

    def is_shown(self, now: float) -> bool:
        """Whether its record can still be asked for."""
        return (self.deleted_at is None or self.is_cancelled()) and now - self.created_at < _KEPT_SECONDS

    def is_billed(self, now: float) -> bool:
        """Whether it costs its price: all do, but for those that failed or never began."""
        return not self.is_cancelled() and (self.fraction(now) < 1 or self._verdict()[0] == "Success")

    def succeeds(self) -> bool:
        return self._verdict()[0] == "Success" and not self.has("stuck") and not self.has("queued")

    def _v1_status(self, now: float) -> str:
        fraction = self.fraction(now)
        if fraction >= 1:
            return self._verdict()[0]
        if self.has("unknown-status"):
            return "Warming"
        return "Preparing" if fraction < _PREPARING else "Queueing" if fraction < _QUEUEING else "Processing"

    def _verdict(self) -> tuple[str, int]:
        for directive in self.faults:
            if directive.name in ("fail", "failed"):
                return directive.name.capitalize(), int(directive.value)
        return "Success", 0


@dataclass(frozen=True, slots=True)
class Manner:
    """How clips come out, unless their job says otherwise. Pixels are divided by `scale`."""

    scale: int = 1
    frames_off: int = 0
    frames_jitter: int = 0
    numbers: bool = False

    def clip(self, job: Job, first_frame: Path | None) -> DrawnClip:
        """The video of a job, as its model would make it."""
        model = MODELS[job.model]
        pixels = V2_PIXELS[job.size][job.ratio] if job.ratio else v1_pixels(job.size, job.frame_pixels, seed=job.task_id)
        width, height = scaled(pixels, self.scale)
        off = job.value("frames-off", self.frames_off) + _jitter(job.task_id, job.value("frames-jitter", self.frames_jitter))
        return DrawnClip(
            prompt=job.prompt,
            width=width,
            height=height,
            fps=model.fps,
            frames=job.value("frames", max(1, model.frames(job.length) + off)),
            has_sound=model.has_sound,
            first_frame=first_frame,
            starts_at=job.starts_at or 0,
            numbers=self.numbers or job.has("numbers"),
        )


class Jobs:
    """Every job that was ever accepted in this home. Safe to use from any thread."""

    def __init__(self, home: Path, *, clock: Callable[[], float], time_scale: float) -> None:
        self._clock = clock
        self._time_scale = time_scale
        self._lock = threading.Lock()
        self._journal = JsonLines(home / "jobs.jsonl")
        self._by_task: dict[int, Job] = {}
        self._by_file: dict[int, Job] = {}
        self._last_id = 0
        for record in self._journal:
            if "model" in record:
                self._keep(_from_record(record))
            else:
                self._keep(replace(self._by_task[record["task_id"]], deleted_at=record["deleted_at"]))

    def accept(self, wanted: Wanted, faults: tuple[Directive, ...], *, account: str = MAIN) -> Job:
        """A new job, in the journal before this returns."""
        frame = wanted.first_frame
        with self._lock:
            now = self._clock()
            job = Job(
                task_id=self._next_id(now),
                file_id=self._next_id(now),
                model=wanted.model,
                prompt=wanted.prompt,
                length=wanted.length,
                size=wanted.size,
                created_at=now,
                seconds=self._seconds_of(wanted, faults),
                faults=faults,
                ratio=wanted.ratio,
                first_frame=frame.name if frame else "",
                frame_pixels=(frame.width, frame.height) if frame else None,
                starts_at=frame.number if frame else None,
                account=account,
                images=wanted.images,
                watermark=wanted.watermark,
                callback_url=wanted.callback_url,
            )
            self._journal.append(asdict(job) | {"faults": [str(fault) for fault in faults]})
            self._keep(job)
            return job

    def _seconds_of(self, wanted: Wanted, faults: tuple[Directive, ...]) -> float:
        late = sum(fault.value for fault in faults if fault.name == "late")
        return MODELS[wanted.model].makes[wanted.length, wanted.size].seconds * self._time_scale * _pace(wanted.prompt) + late

    def delete(self, job: Job) -> bool:
        """Cancel a job that waits, or forget one that is over, in the journal before this returns; False when it runs or was deleted."""
        with self._lock:
            now, job = self._clock(), self._by_task[job.task_id]
            if job.deleted_at is not None or not (job.is_waiting(now) or job.fraction(now) >= 1):
                return False
            self._journal.append({"task_id": job.task_id, "deleted_at": now})
            self._keep(replace(job, deleted_at=now))
            return True

    def of_task(self, task_id: str, *, account: str) -> Job | None:
        """None for another account's."""
        return _whose(self._by_task.get(_number(task_id)), account)

    def of_file(self, file_id: str, *, account: str | None = None) -> Job | None:
        """Of any account when none is named: links are signed."""
        return _whose(self._by_file.get(_number(file_id)), account)

    def newest_first(self) -> list[Job]:
        with self._lock:
            return list(reversed(self._by_task.values()))

    def close(self) -> None:
        self._journal.close()

    def _keep(self, job: Job) -> None:
        self._by_task[job.task_id] = job
        self._by_file[job.file_id] = job
        self._last_id = max(self._last_id, job.task_id, job.file_id)

    def _next_id(self, now: float) -> int:
        """Fifteen digits that never come twice, nor after a restart."""
        self._last_id = max(self._last_id + 1, int(now * 100_000))
        return self._last_id


def _whose(job: Job | None, account: str | None) -> Job | None:
    return job if job and account in (None, job.account) else None


def _from_record(record: dict[str, Any]) -> Job:
    pixels = record.get("frame_pixels")
    changed = {"faults": tuple(parse_directive(text) for text in record["faults"]), "frame_pixels": tuple(pixels) if pixels else None}
    return Job(**record | changed)


def _pace(prompt: str) -> float:
    """From 0.95 to 1.05, always the same for one prompt."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    return 0.95 + 0.1 * int.from_bytes(digest[:4], "big") / 0xFFFFFFFF


def _jitter(seed: int, most: int) -> int:
    """A whole number from -most to most, always the same for one seed."""
    digest = hashlib.sha256(str(seed).encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2 * most + 1) - most


def _number(text: str) -> int:
    # Ids are plain ASCII digits; what is none names no job.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
