"""Exactly what was asked for, through everything there is: chains, sizes and sound, killed processes, bad files, money."""

import io
import os
import signal
import threading
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import requests

from tests.e2e.test_generation import ended, generate, jobs, task
from tests.support.clips import make_mp4
from tests.support.frame_numbers import read
from tests.support.running import RunningStack
from tests.support.stacks import NUMBERED_FRAMES, Elsewhere

# ---- What a delivered video shows ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A video as a player finds it."""

    width: int
    height: int
    numbers: list[int | None]
    seconds: float
    frame_seconds: set[float]
    sound: "array[float] | None"  # of one ear
    sound_rate: int


def watch(result: dict[str, Any]) -> Seen:
    """Fetch the public link and decode all of it."""
    answer = requests.get(result["video_url"], timeout=60)
    assert (answer.status_code, len(answer.content)) == (200, result["size_bytes"])
    assert answer.content.index(b"moov") < answer.content.index(b"mdat")
    source = result["source"]
    with av.open(io.BytesIO(answer.content)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt, stream.sample_aspect_ratio) == ("h264", "yuv420p", 1)
        numbers, times = [], []
        for frame in container.decode(stream):
            numbers.append(read(frame, source=(source["width"], source["height"])))
            times.append(frame.pts)
        unit = stream.time_base
        assert unit is not None
        assert times[0] == 0
        steps = {float((after - before) * unit) for before, after in pairwise(times)}
        seconds = float(stream.duration * unit)
    sound, rate = hear(answer.content)
    return Seen(codec.width, codec.height, numbers, seconds, steps, sound, rate)


def hear(content: bytes) -> "tuple[array[float] | None, int]":
    with av.open(io.BytesIO(content)) as container:
        if not container.streams.audio:
            return None, 0
        to_floats = av.AudioResampler(format="flt", layout="mono")
        heard = array("f")
        for frame in container.decode(audio=0):
            for piece in to_floats.resample(frame):
                heard.frombytes(bytes(piece.planes[0])[: piece.samples * heard.itemsize])
        return heard, container.streams.audio[0].rate


def beeps_at(seen: Seen, second: int) -> bool:
    """Whether it gets louder on that second, to a frame of 24 a second."""
    assert seen.sound is not None

    def loudness(begin: float, end: float) -> float:
        part = seen.sound[int(begin * seen.sound_rate) : int(end * seen.sound_rate)] if seen.sound else array("f")
        return sum(sample * sample for sample in part) / len(part)

    return loudness(second + 0.02, second + 0.04) > 2 * loudness(second - 0.06, second - 1 / 24)


def bill(stack: RunningStack) -> Decimal:
    return Decimal(requests.get(f"{stack.sandbox_url}/sandbox/bill", timeout=60).json()["total_usd"])


def called_off(stack: RunningStack, task_id: str) -> list[tuple[bool, Decimal]]:
    """Of each of a task's clips: whether MiniMax was told that it is not wanted, and what it billed all the same."""
    statement = "SELECT called_off_at IS NOT NULL, billed FROM videos_clip WHERE REPLACE(CAST(video_id AS text), '-', '') = %s"
    return [(bool(told), Decimal(billed)) for told, billed in stack.sql(statement, task_id.replace("-", ""))]


def sweep(stack: RunningStack, *, until_gone: Path | None = None) -> None:
    """Remove what nobody needs; once, or again and again until that folder is gone: a cancelled task's are kept while it is worked on."""
    stack.manage("shell", "--no-imports", "-c", SWEEP.format(folder=str(until_gone or "")))


SWEEP = """
import pathlib, time
from videos.cleanup import remove_leftovers
remove_leftovers()
while {folder!r} and pathlib.Path({folder!r}).exists():
    time.sleep(0.2)
    remove_leftovers()
"""


def files(stack: RunningStack, task_id: str) -> list[str]:
    """What the storage holds of a task, and the scratch folders of all, by their kinds."""
    stored = [path.name.split("-")[0] for path in (stack.home / "media" / "tasks" / task_id).rglob("*") if path.is_file()]
    scratch = [str(path) for path in (stack.home / "work").iterdir()]
    return sorted(stored + scratch)


# ---- Exact ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "duration", "resolution", "clips", "frames"),
    [
        ("video-01", 7, "720x480", 2, 175),
        pytest.param("video-01", 7, "1080x1920", 2, 175, marks=pytest.mark.soak),
        pytest.param("video-01", 1, "720x480", 1, 25, marks=pytest.mark.soak),
        pytest.param("minimax-h3", 17, "1080x1920", 2, 408, marks=pytest.mark.soak),
        ("minimax-h3", 4, "1280x720", 1, 96),
    ],
)
def test_the_delivered_video_is_exactly_what_was_asked_for(stack: RunningStack, model, duration, resolution, clips, frames):
    done = ended(stack, generate(stack, model=model, duration=duration, resolution=resolution), seconds=180)

    result = done["result"]
    seen = watch(result)
    width, height = map(int, resolution.split("x"))
    assert (seen.width, seen.height, result["width"], result["height"]) == (width, height, width, height)
    assert seen.numbers == list(range(frames))
    assert len({round(step, 6) for step in seen.frame_seconds}) == 1
    frame = 1 / result["fps"]
    assert seen.seconds == pytest.approx(duration, abs=frame)
    assert result["duration"] == pytest.approx(seen.seconds, abs=0.001)
    source = result["source"]
    assert source["clips"] == clips
    assert (source["width"] < source["height"]) == (width < height)
    assert source["fps"] == {"video-01": 25, "minimax-h3": 24}[model]
    assert source["speed"] == pytest.approx(frames / (duration * source["fps"]), abs=0.001)
    thumbnail = requests.get(result["thumbnail_url"], timeout=60)
    with av.open(io.BytesIO(thumbnail.content)) as picture:
        shown = picture.streams.video[0]
        assert shown.width / shown.height == pytest.approx(width / height, abs=0.01)
    if model == "minimax-h3":
        assert seen.sound is not None
        assert len(seen.sound) / seen.sound_rate == pytest.approx(seen.seconds, abs=frame)
        assert all(beeps_at(seen, second) for second in range(1, duration))


def test_a_file_that_is_no_video_fails_its_task_and_not_its_worker(elsewhere: Elsewhere):
    good = make_mp4(320, 180, 2)
    broken = good[: len(good) // 2] + bytes(len(good) - len(good) // 2)
    elsewhere.minimax.video = lambda job: broken if "broken" in job.prompt else good
    stack, size = elsewhere.stack, {"duration": 1, "resolution": "720x480"}
    worker = stack.pid("media")

    failed = ended(stack, generate(stack, "a broken one", **size))
    done = ended(stack, generate(stack, "a good one", **size))

    assert (failed["status"], failed["error_code"], failed["cost"]["charged"]) == ("failed", "invalid_video", "0.0000")
    assert done["status"] == "completed"
    assert stack.pid("media") == worker


# ---- Killed in the middle -------------------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.races_the_clock  # the reader has to be caught at work
@pytest.mark.parametrize("victim", ["the media worker", "the reader alone"])
def test_an_assembly_that_is_killed_is_done_again_for_nothing_and_leaves_nothing(numbered: RunningStack, victim: str):
    before = bill(numbered)
    task_id = generate(numbered, f"killed: {victim}", duration=12, resolution="720x480")
    reader, progress = held_up(numbered, task_id)
    paid = bill(numbered)

    if victim == "the media worker":
        numbered.until_restarted("media", numbered.kill("media"))
        assert not runs(reader)
    else:
        os.kill(reader, signal.SIGKILL)

    shown = follow(numbered, task_id)
    result = task(numbered, task_id)["result"]
    assert progress + shown == sorted(progress + shown)
    assert watch(result).numbers == list(range(299))
    assert bill(numbered) == paid > before
    sweep(numbered)
    assert files(numbered, task_id) == ["thumbnail", "video"]


@pytest.mark.soak
@pytest.mark.races_the_clock  # the reader has to be caught at work
def test_a_cancel_stops_the_assembly_and_leaves_nothing(numbered: RunningStack):
    # Large enough that it cannot be over before the cancel is heard of: most of it is never done.
    task_id = generate(numbered, "cancelled while it is assembled", duration=12, resolution="1080x1920")
    reader, _ = held_up(numbered, task_id)
    begun = worked = seconds_of(reader)

    assert numbered.call("DELETE", f"/v1/video/generations/{task_id}").json()["status"] == "cancelled"
    os.kill(reader, signal.SIGCONT)

    def stopped() -> bool:
        nonlocal worked
        with suppress(FileNotFoundError, ProcessLookupError):
            worked = max(worked, seconds_of(reader))
        return not runs(reader)

    numbered.until(stopped)
    assert worked - begun < 3  # of processors; the whole takes ten
    sweep(numbered, until_gone=numbered.home / "media" / "tasks" / task_id)
    assert files(numbered, task_id) == []


def held_up(stack: RunningStack, task_id: str) -> tuple[int, list[int]]:
    """Stop the process that writes the new video in the middle; its id, and what the task's progress was on the way."""
    progress: list[int] = []
    looks = count()

    def writes() -> bool:
        if next(looks) % 20 == 0:
            progress.append(task(stack, task_id)["progress"])
        return any((stack.home / "work").glob(f"{task_id}-*/video.mp4"))

    stack.until(writes, seconds=180, every=0.02)
    reader = reader_of(stack)
    os.kill(reader, signal.SIGSTOP)
    assert task(stack, task_id)["stage"] == "assembling"
    return reader, progress


def follow(stack: RunningStack, task_id: str) -> list[int]:
    """What its progress was until it ended."""
    progress: list[int] = []

    def over() -> bool:
        now = task(stack, task_id)
        progress.append(now["progress"])
        return now["status"] not in ("queued", "processing")

    stack.until(over, seconds=240)
    assert task(stack, task_id)["status"] == "completed", task(stack, task_id)
    return progress


def reader_of(stack: RunningStack) -> int:
    """The process that reads and writes the video for the media worker."""
    [reader] = [pid for pid in tree(stack.pid("media") or 0) if b"videos.media" in command_of(pid)]
    return reader


def command_of(pid: int) -> bytes:
    """Its words; none when it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += tree(int(child))
    return found


def runs(pid: int) -> bool:
    """Whether it runs; one that ended but was not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# ---- What MiniMax is paid -------------------------------------------------------------------------------------------------


@pytest.mark.soak  # without a stack: tests/engine/test_crashes.py
def test_a_worker_killed_before_the_answer_to_a_v2_create_finds_its_job_and_orders_no_other(numbered: RunningStack):
    prompt = "an answer that is lost [sandbox: create slow=8]"
    task_id = generate(numbered, prompt, model="minimax-h3", duration=4, resolution="720x480")
    numbered.until(lambda: any(job["prompt"] == prompt for job in jobs(numbered)))

    numbered.until_restarted("worker", numbered.kill("worker"))

    assert ended(numbered, task_id, seconds=120)["status"] == "completed"
    assert sum(job["prompt"] == prompt for job in jobs(numbered)) == 1


@pytest.mark.soak  # without a stack: tests/engine/test_chains.py
@pytest.mark.parametrize("create", ["", "create slow=3; "], ids=["after its create", "during its create"])
def test_a_cancelled_task_whose_job_still_queues_at_minimax_costs_nothing_there(numbered: RunningStack, create: str):
    prompt, before = f"one that queues [sandbox: {create}queued]", bill(numbered)
    task_id = generate(numbered, prompt, model="minimax-h3", duration=4)
    numbered.until(lambda: any(job["prompt"] == prompt for job in jobs(numbered)))
    numbered.until(lambda: bool(create) or task(numbered, task_id)["status"] == "processing")

    numbered.call("DELETE", f"/v1/video/generations/{task_id}")
    numbered.until(lambda: [job["status"] for job in jobs(numbered) if job["prompt"] == prompt] == ["cancelled"])

    assert bill(numbered) == before
    numbered.until(lambda: called_off(numbered, task_id) == [(True, 0)])


@pytest.mark.soak
def test_a_retry_of_a_chain_pays_minimax_only_for_what_is_missing(start_stack: Callable[..., RunningStack]):
    stack = start_stack(**NUMBERED_FRAMES, MINIMAX_TIME_SCALE="0.005")
    prompt = "a chain that breaks [sandbox: download slow=3]"
    original = generate(stack, prompt, duration=13, resolution="720x480")
    stack.until(lambda: len(jobs(stack)) == 1)
    # While the first clip is fetched, slowly: the second is the next one ordered.
    requests.post(f"{stack.sandbox_url}/sandbox/faults", json={"on": "create", "fault": "fail=1027"}, timeout=60).raise_for_status()
    failed = ended(stack, original)
    paid = bill(stack)
    assert (failed["status"], failed["error_code"]) == ("failed", "content_policy_violation")

    retried = stack.call("POST", f"/v1/video/generations/{original}/retry").json()["task_id"]

    done = ended(stack, retried)
    assert done["status"] == "completed", done
    assert watch(done["result"]).numbers == list(range(325))
    assert bill(stack) == 3 * paid
    assert len(jobs(stack)) == 4


# ---- At full size ---------------------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_a_minute_of_upright_full_hd_is_exact_fast_and_small_in_memory(start_stack: Callable[..., RunningStack]):
    stack = start_stack(SANDBOX_NUMBERS="1", SANDBOX_CLIP_SCALE="1", MINIMAX_TIME_SCALE="0.01")
    with Use(lambda: tree(stack.pid("media") or 0)) as use:
        task_id = generate(stack, duration=60, resolution="1080x1920")
        stack.until(lambda: task(stack, task_id)["stage"] == "assembling", seconds=900)
        began, before = time.monotonic(), use.processor_seconds
        done = ended(stack, task_id, seconds=900)
        took, worked = time.monotonic() - began, use.processor_seconds - before

    print(f"assembled in {took:.1f} s at load {os.getloadavg()[0]:.1f}: {worked:.1f} s of processors, peak {use.peak / 10**6:.0f} MB", done)
    seen = watch(done["result"])
    assert (seen.width, seen.height, done["result"]["source"]["clips"]) == (1080, 1920, 10)
    assert seen.numbers == list(range(1491))
    assert seen.seconds == pytest.approx(60, abs=1 / 24)
    assert use.peak < 600 * 10**6
    assert worked < 2 * 60  # of two processors; the clock would measure who else is at work


class Use:
    """What some processes take, looked at ten times a second: bytes of memory at one time, and seconds of processors."""

    def __init__(self, processes: Callable[[], list[int]]) -> None:
        self.peak = 0
        self._worked: dict[int, float] = {}
        self._processes, self._over = processes, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Use":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def processor_seconds(self) -> float:
        """Of all of them up to now, those that ended included."""
        return sum(self._worked.values())

    def _look(self) -> None:
        while not self._over.wait(0.1):
            held = 0
            for pid in self._processes():
                with suppress(FileNotFoundError, ProcessLookupError):
                    held += memory_of(pid)
                    self._worked[pid] = seconds_of(pid)
            self.peak = max(self.peak, held)


def memory_of(pid: int) -> int:
    """Bytes: what it shares with others counts in part, so that a sum counts it once."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:  # of processes of ours root alone reads it: what each has for itself comes close
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
    return next((1024 * int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)


def seconds_of(pid: int) -> float:
    """Of processors, by all threads of the process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
