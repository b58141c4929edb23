"""What the engine sees of MiniMax: one face for every version of its API."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from videos.minimax.download import Download
from videos.minimax.errors import MiniMaxError


class Phase(Enum):
    PREPARING = "preparing"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class Order:
    """One clip as it is asked for; what is None is left to MiniMax.

    `seconds` and `resolution` are the upstream model's own; `ratio` is V2's (V1 takes the first frame's). Frames and
    references are the bytes of a JPG, PNG or WebP.
    """

    upstream: str
    prompt: str = field(repr=False)
    seconds: int | None = None
    resolution: str | None = None
    ratio: str | None = None
    first_frame: bytes | None = field(default=None, repr=False)
    last_frame: bytes | None = field(default=None, repr=False)
    references: tuple[bytes, ...] = field(default=(), repr=False)  # what is to be seen
    prompt_optimizer: bool | None = None  # V1's
    watermark: bool = False  # V1's
    callback_url: str | None = field(default=None, repr=False)  # where it tells what becomes of the job


@dataclass(frozen=True)
class JobState:
    """Where a job stands: `file_id` (for `locate`) once it succeeded, `error` when it failed.

    `odd_word`: the word for it that nobody knows, or that is not true; the job counts as running then.
    """

    phase: Phase
    file_id: str | None = None
    error: MiniMaxError | None = None
    odd_word: str | None = None


@dataclass(frozen=True)
class RemoteFile:
    """Where a finished clip can be fetched for an hour or more, and its size in bytes where MiniMax says it."""

    url: str = field(repr=False)
    backup_url: str | None = field(default=None, repr=False)
    size: int | None = None


class Provider(Protocol):
    """One account at one MiniMax host. Threads may share it. Whatever goes wrong is a MiniMaxError."""

    @property
    def can_find_lost(self) -> bool:
        """Whether `find_lost` can answer at all: else a create whose answer was lost stays unknown."""

    def create(self, order: Order) -> str:
        """Post one job, and return MiniMax's id of it.

        MiniMaxError with Outcome.UNKNOWN when the job may have been accepted: posting it again may pay twice.
        """

    def query(self, task_id: str) -> JobState:
        """How a job stands. A job that MiniMax failed is a value; MiniMaxError is a failure of the call itself."""

    def locate(self, file_id: str) -> RemoteFile:
        """A fresh link to a finished clip."""

    def find_lost(
        self, order: Order, *, sent_after: datetime, known_ids: Collection[str], sent_until: datetime | None = None
    ) -> str | None:
        """The id of the job that MiniMax accepted for an order posted at `sent_after` or right after it, or until
        `sent_until`; None when there is none.

        `known_ids` are the ids that belong to other orders, those accepted some minutes before included: clocks differ,
        and a job like this one that is missing there would be taken for it. Undecided when MiniMax's list does not
        settle it. A job may be listed late: None counts only some time after the order was sent.
        """

    def test(self) -> None:
        """Ask what costs nothing. MiniMaxError when the account could not be used now; its balance is not asked for."""

    def cancel(self, task_id: str) -> bool:
        """Whether the job will cost nothing because it is cancelled now; False when it runs, is over, or cannot be cancelled."""

    def download(self, url: str, *, expected_size: int | None) -> AbstractContextManager[Download]:
        """Open a clip as a file that storages can save. `expected_size` in bytes; LinkExpired when the link is dead."""
