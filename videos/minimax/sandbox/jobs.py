"""The jobs, kept in a journal: a line when one is accepted, and nothing after it.

How far a job is follows from when it was accepted and how long it takes, so a restart changes nothing.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videos.minimax.sandbox.catalogue import MODELS, PIXELS
from videos.minimax.sandbox.clips import Clip
from videos.minimax.sandbox.faults import Directive, parse_directive
from videos.minimax.sandbox.jsonlines import JsonLines

# Until this share of its time a job is said to be in that status.
_PREPARING, _QUEUEING = 0.03, 0.10
# A job that never ends comes this far.
_STUCK_AT = 0.99


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

    def has(self, fault: str) -> bool:
        return any(directive.name == fault for directive in self.faults)

    def fraction(self, now: float) -> float:
        """How much of its time has passed, from 0 to 1; what MiniMax never tells."""
        age = max(0.0, now - self.created_at)
        passed = age / self.seconds if age < self.seconds else 1.0
        return min(passed, _STUCK_AT) if self.has("stuck") else passed

    def status(self, now: float) -> str:
        fraction = self.fraction(now)
        if fraction >= 1:
            return self._verdict()[0]
        if self.has("unknown-status"):
            return "Warming"
        return "Preparing" if fraction < _PREPARING else "Queueing" if fraction < _QUEUEING else "Processing"

    def verdict_code(self, now: float) -> int:
        """The `base_resp` code of a query: not 0 once the job has failed."""
        return self._verdict()[1] if self.fraction(now) >= 1 else 0

    def succeeds(self) -> bool:
        return self._verdict()[0] == "Success" and not self.has("stuck")

    def _verdict(self) -> tuple[str, int]:
        for directive in self.faults:
            if directive.name in ("fail", "failed"):
                return directive.name.capitalize(), int(directive.value)
        return "Success", 0


class Jobs:
    """Every job that was ever accepted in this home. Safe to use from any thread."""

    def __init__(self, home: Path, *, clock: Callable[[], float], time_scale: float, clip_scale: int, frames_off: int) -> None:
        self._clock = clock
        self._time_scale = time_scale
        self._clip_scale = clip_scale
        self._frames_off = frames_off
        self._lock = threading.Lock()
        self._journal = JsonLines(home / "jobs.jsonl")
        self._by_task: dict[int, Job] = {}
        self._by_file: dict[int, Job] = {}
        self._last_id = 0
        for record in self._journal:
            self._keep(_from_record(record))

    def accept(self, *, model: str, prompt: str, length: int, size: str, faults: tuple[Directive, ...]) -> Job:
        """A new job, in the journal before this returns."""
        with self._lock:
            now = self._clock()
            typical = MODELS[model].seconds[length, size]
            job = Job(
                task_id=self._next_id(now),
                file_id=self._next_id(now),
                model=model,
                prompt=prompt,
                length=length,
                size=size,
                created_at=now,
                seconds=typical * self._time_scale * _jitter(prompt),
                faults=faults,
            )
            self._journal.append(asdict(job) | {"faults": [str(fault) for fault in faults]})
            self._keep(job)
            return job

    def of_task(self, task_id: str) -> Job | None:
        return self._by_task.get(_number(task_id))

    def of_file(self, file_id: str) -> Job | None:
        return self._by_file.get(_number(file_id))

    def newest_first(self) -> list[Job]:
        with self._lock:
            return list(reversed(self._by_task.values()))

    def clip(self, job: Job) -> Clip:
        """The video of a job, as its model would make it."""
        width, height = (max(16, pixels // self._clip_scale // 2 * 2) for pixels in PIXELS[job.size])
        fps = MODELS[job.model].fps
        return Clip(prompt=job.prompt, width=width, height=height, fps=fps, frames=max(1, job.length * fps + self._frames_off))

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


def _from_record(record: dict[str, Any]) -> Job:
    return Job(**record | {"faults": tuple(parse_directive(text) for text in record["faults"])})


def _jitter(prompt: str) -> float:
    """From 0.95 to 1.05, always the same for one prompt."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    return 0.95 + 0.1 * int.from_bytes(digest[:4], "big") / 0xFFFFFFFF


def _number(text: str) -> int:
    # Ids are plain ASCII digits; what is none names no job.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
