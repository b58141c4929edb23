"""Work on a stranger's file happens in a process of its own, which may die of it without harm to ours."""

import errno
import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.support.frame_numbers import read
from tests.support.real_clips import Clip, write
from tests.videos.media.making import LANDSCAPE_01
from videos.media import child
from videos.media.assembling import assemble, probe
from videos.media.child import ChildLimits
from videos.media.errors import Harm, MediaError, ReaderStopped
from videos.media.facts import Target, VideoFacts

ROOT = Path(__file__).resolve().parents[3]
LIMITS = ChildLimits(seconds=60, cpu_seconds=60)


class Order:
    """An assembly in a child, in a folder of its own."""

    def __init__(self, folder: Path, clip: Clip, wish: Target) -> None:
        self.folder, self.wish, self.others = folder / "work", wish, children()
        self.folder.mkdir()
        self.clip = write(folder / "clip.mp4", clip)

    def run(self, limits: ChildLimits = LIMITS, on_progress=lambda share: None) -> VideoFacts:
        video, thumbnail = self.folder / "video.mp4", self.folder / "thumbnail.jpg"
        return child.assemble(limits, [self.clip], self.wish, video, thumbnail, on_progress=on_progress)

    def readers(self) -> set[int]:
        """The processes that run for us now."""
        return children() - self.others

    def left_over(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(tmp_path, Clip(sound="aac"), Target(108, 192, 1))


@pytest.fixture
def long_order(tmp_path: Path) -> Order:
    """Large enough to be met in the middle of its work."""
    clip = replace(LANDSCAPE_01, frames=125, encoder={"preset": "ultrafast"})
    return Order(tmp_path, clip, Target(1080, 1920, 5))


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()}


def test_a_child_answers_what_the_function_itself_would(order, tmp_path):
    told = list[float]()
    facts = order.run(on_progress=told.append)
    assert facts == assemble(
        [order.clip], Target(108, 192, 1), tmp_path / "here.mp4", tmp_path / "here.jpg", on_progress=lambda share: None
    )
    assert (order.folder / "video.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert child.probe(LIMITS, order.clip, last_frame=order.folder / "last.png") == probe(order.clip, last_frame=None)
    assert order.left_over() == ["last.png", "thumbnail.jpg", "video.mp4"]


def test_a_bad_file_is_refused_in_the_same_words(order):
    order.clip.write_bytes(b"nothing of the kind")
    with pytest.raises(MediaError, match="damaged or not a video") as caught:
        order.run()
    assert (caught.value.harm, order.left_over()) == (Harm.REFUSED, [])


def test_work_beyond_the_processors_time_is_the_files_fault_and_leaves_nothing(long_order):
    with pytest.raises(MediaError) as caught:
        long_order.run(replace(LIMITS, cpu_seconds=1))
    assert (caught.value.harm, long_order.left_over()) == (Harm.TIME, [])


def test_a_result_beyond_the_limit_of_a_file_is_the_files_fault_and_leaves_nothing(order):
    with pytest.raises(MediaError) as caught:
        order.run(replace(LIMITS, file_bytes=4096))
    assert (caught.value.harm, order.left_over()) == (Harm.SIZE, [])


def test_a_clock_that_runs_out_is_nobodys_fault_and_leaves_nothing(long_order):
    with pytest.raises(ReaderStopped):
        long_order.run(replace(LIMITS, seconds=1.5))
    assert long_order.left_over() == []


def test_a_child_that_did_not_come_to_read_says_nothing_of_the_file(long_order, monkeypatch):
    monkeypatch.setattr(child, "_ROOT", Path("/"))  # where no such program is
    with pytest.raises(ReaderStopped, match="did not come to read"):
        long_order.run()


@pytest.mark.parametrize(("now", "then"), [("probe", "inspect"), ("target", "wish")])
def test_a_child_does_what_a_worker_of_the_release_before_asks_for(order, monkeypatch, now, then):
    """An upgrade replaces its files while those workers still run."""
    worded_as(monkeypatch, now, then)
    child.probe(LIMITS, order.clip, last_frame=None)
    assert order.run().frames > 0


def test_a_child_that_knows_no_such_work_says_nothing_of_the_file(order, monkeypatch):
    worded_as(monkeypatch, "assemble", "a work of another release")
    with pytest.raises(ReaderStopped, match="did not come to read"):
        order.run()


def worded_as(monkeypatch, now: str, then: str) -> None:
    ask = child._ask

    def ask_then(process, order):
        given = {then if name == now else name: value for name, value in order["given"].items()}
        ask(process, order | {"work": then if order["work"] == now else order["work"], "given": given})

    monkeypatch.setattr(child, "_ask", ask_then)


def test_a_child_without_memory_fails_alone(long_order):
    with pytest.raises(MediaError):
        long_order.run(replace(LIMITS, memory_bytes=220 << 20))
    assert long_order.left_over() == []


@pytest.mark.parametrize(
    ("deadly", "error", "harm"),
    [(signal.SIGSEGV, MediaError, Harm.CRASH), (signal.SIGKILL, ReaderStopped, None), (signal.SIGTERM, ReaderStopped, None)],
)
def test_a_crash_is_told_from_a_shutdown(long_order, deadly, error, harm):
    def strike(share: float) -> None:
        for pid in long_order.readers():
            os.kill(pid, deadly)

    with pytest.raises(error) as caught:
        long_order.run(on_progress=strike)
    assert getattr(caught.value, "harm", None) == harm
    assert long_order.left_over() == []


def test_an_exception_of_the_listener_ends_the_child(long_order):
    class LeaseLost(Exception):
        pass

    def refuse(share: float) -> None:
        raise LeaseLost

    with pytest.raises(LeaseLost):
        long_order.run(on_progress=refuse)
    assert not long_order.readers()
    assert long_order.left_over() == []


def test_trouble_with_the_disk_stays_what_it_is(order, tmp_path):
    with pytest.raises(OSError) as caught:
        child.probe(LIMITS, tmp_path / "missing.mp4", last_frame=None)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(tmp_path / "missing.mp4"))


def test_a_child_starts_without_django():
    """So that it starts fast, and knows no secret."""
    words = "import videos.media.__main__, sys; print({'django', 'conduit', 'keys', 'tasks'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_child_is_told_nothing_of_our_environment(long_order, monkeypatch):
    class SeenEnough(Exception):
        pass

    monkeypatch.setenv("SECRET_KEY", "secret")
    told: list[bytes] = []

    def look(share: float) -> None:
        told.extend(Path(f"/proc/{pid}/environ").read_bytes() for pid in long_order.readers())
        raise SeenEnough

    with pytest.raises(SeenEnough):
        long_order.run(on_progress=look)
    names = {line.partition(b"=")[0].decode() for environment in told for line in environment.split(b"\0") if line}
    assert {"MALLOC_ARENA_MAX"} <= names <= {"MALLOC_ARENA_MAX", "PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL"}


def test_a_child_dies_with_its_parent(long_order, tmp_path):
    script = (
        "import os, sys, threading; from pathlib import Path; from videos.media import child; from videos.media.facts import Target\n"
        "def tell(share):\n"
        "    print(Path(f'/proc/self/task/{threading.get_native_id()}/children').read_text().split()[0], flush=True); sys.stdin.read()\n"
        f"clip, folder = Path({str(long_order.clip)!r}), Path({str(long_order.folder)!r})\n"
        "limits = child.ChildLimits(seconds=60, cpu_seconds=60)\n"
        "child.assemble(limits, [clip], Target(108, 192, 5), folder / 'v', folder / 't', on_progress=tell)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        watched = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert select.select([watched], [], [], 30)[0], "the child lives on"
        os.close(watched)


def test_a_last_picture_is_the_very_last_and_fit_for_a_first_one(tmp_path):
    clip = write(tmp_path / "clip.mp4", Clip(width=134, height=76, fps=Fraction(24), frames=107, number=1000))
    facts = child.probe(LIMITS, clip, last_frame=tmp_path / "last.png")
    with av.open(str(tmp_path / "last.png")) as file:
        picture = next(file.decode(video=0))
    assert (picture.width, picture.height, picture.format.name) == (134, 76, "rgb24")
    assert read(picture) == 1106
    assert (facts.frames, facts.fps, facts.seconds, facts.size_bytes) == (107, 24.0, 4.458, clip.stat().st_size)
