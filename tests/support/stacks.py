"""The stacks that many tests share, by the names of their fixtures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from tests.support.clips import make_mp4
from tests.support.lookalike import LookAlike
from tests.support.running import RunningStack, running
from tests.support.sharing import Shared

# Clips number their frames: a join, a cut or a freeze shows.
NUMBERED_FRAMES = {"SANDBOX_NUMBERS": "1"}


@dataclass(frozen=True)
class Elsewhere:
    """A stack whose videos somebody else's MiniMax makes."""

    stack: RunningStack
    minimax: LookAlike

    def as_usual(self) -> Self:
        """Forget what the test before had scripted."""
        self.minimax.ordinary()
        self.minimax.video, self.minimax.statuses = small_clip, ["preparing", "QUEUEING", "Processing", "SUCCESS"]
        return self


def small_clip(job: object) -> bytes:
    """Drawn once, whatever is asked for."""
    return make_mp4(320, 180, 2)


@contextmanager
def with_somebody_elses_minimax() -> Iterator[Elsewhere]:
    with (
        LookAlike(backup=True, knows_size=False) as minimax,
        running(
            MINIMAX_BASE_URL=f"{minimax.url}/v1/",
            MINIMAX_API_KEY=minimax.key,
            OUTBOUND_ALLOWED="127.0.0.1:*",
            MINIMAX_POLL_SECONDS="0.5",
            MINIMAX_CALLBACKS="on",
            MINIMAX_POLL_SECONDS_WITH_CALLBACKS="60",
        ) as stack,
    ):
        yield Elsewhere(stack, minimax)


ELSEWHERE = Shared("elsewhere", with_somebody_elses_minimax)
NUMBERED = Shared(
    "numbered", lambda: running(**NUMBERED_FRAMES, LEASE_SECONDS="5", MINIMAX_TIME_SCALE="0.005", FAILED_CLIPS_SECONDS="0.001")
)
# A minute for the lease of a process that a test killed would be a minute of waiting.
STACK = Shared("stack", lambda: running(**NUMBERED_FRAMES, LEASE_SECONDS="15", OUTBOUND_ALLOWED="minio:9000"))
SHARED: tuple[Shared[Any], ...] = (NUMBERED, STACK, ELSEWHERE)
