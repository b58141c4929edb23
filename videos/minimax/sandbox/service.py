"""The sandbox as something to start and stop, in a process of its own or inside a test."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from videos.minimax.sandbox.accounts import Account, Accounts, all_of
from videos.minimax.sandbox.api import Api, restore_strikes
from videos.minimax.sandbox.callbacks import Callbacks
from videos.minimax.sandbox.calls_v1 import pushed as pushed_by_v1
from videos.minimax.sandbox.calls_v2 import pushed as pushed_by_v2
from videos.minimax.sandbox.clips import Clips
from videos.minimax.sandbox.faults import FaultBook, FaultOrder
from videos.minimax.sandbox.gallery import Gallery
from videos.minimax.sandbox.jobs import Job, Jobs, Manner
from videos.minimax.sandbox.jsonlines import JsonLines
from videos.minimax.sandbox.pictures import Frames
from videos.minimax.sandbox.server import Server
from videos.minimax.sandbox.world import Links, World

# Beyond this a log is set aside at the next start: it is read whole then.
_LOG_LARGEST = 64 * 1024 * 1024


class Sandbox:
    """A MiniMax look-alike on the loopback.

    `home` holds its jobs, log and clips; started again with the same one it goes on where it was, SIGKILL included.
    `port` 0 takes a free one. `time_scale` is its pace as a share of MiniMax's (0.02: a clip of video-01 takes 3.2 s).
    Download links live `link_seconds`. Clips have `frames_off` frames more (or, negative, less) than their length
    asks for, up to `frames_jitter` more or less beside that, and show their `numbers` if asked to. Clips and images have
    a `clip_scale`-th of their width and height, which V1's answers tell too, and frames may be as much smaller; words
    such as "768P" stay. `accounts` are further ones beside that of `api_key`. The newest `clips_kept` clips stay on
    disk; older ones are made again when asked for. `clock` gives the time in seconds since the epoch.
    """

    def __init__(
        self,
        home: Path,
        *,
        port: int = 0,
        api_key: str = "sandbox",
        time_scale: float = 0.02,
        link_seconds: float = 3600.0,
        frames_off: int = 0,
        frames_jitter: int = 0,
        numbers: bool = False,
        clip_scale: int = 1,
        accounts: Sequence[Account] = (),
        clips_kept: int = 300,
        clock: Callable[[], float] = time.time,
    ) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.api_key = api_key
        self._accounts = Accounts(home, all_of(api_key, accounts), clock)
        self._jobs = Jobs(home, clock=clock, time_scale=time_scale)
        self._gallery = Gallery(home, clock=clock, scale=clip_scale)
        self._log = JsonLines(_log_file(home))
        self._clips = Clips(home / "clips", kept=clips_kept)
        self._faults = FaultBook()
        restore_strikes(self._faults, self._log)
        self._links = Links(api_key, clock, link_seconds)
        self._callbacks = Callbacks(self._jobs, clock, self._pushed, lambda entry: self._log.append({"at": clock()} | entry))
        world = World(
            jobs=self._jobs,
            clips=self._clips,
            frames=Frames(home / "frames", scale=clip_scale),
            gallery=self._gallery,
            faults=self._faults,
            links=self._links,
            manner=Manner(scale=clip_scale, frames_off=frames_off, frames_jitter=frames_jitter, numbers=numbers),
            clock=clock,
            accounts=self._accounts,
            callbacks=self._callbacks,
        )
        self._world = world
        self._api = Api(world, self._log)
        self._server: Server | None = None
        self._port = port
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Listen, and return; raises OSError when the port is taken."""
        self._server = Server(self._port, self._api)
        self._links.url = self.url
        self._clips.start()
        self._callbacks.start()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Hang up on every client and give back the port; a stopped sandbox is not started again."""
        if self._server and self._thread:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._callbacks.stop()
            self._clips.stop()
            self._server.hang_up()
        self._jobs.close()
        self._accounts.close()
        self._gallery.close()
        self._log.close()

    def _pushed(self, job: Job, word: str) -> dict[str, Any]:
        """What a callback says of the job."""
        return (pushed_by_v1 if job.api == "v1" else pushed_by_v2)(self._world, job, word)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens: what MINIMAX_BASE_URL is to be."""
        if self._server is None:
            raise RuntimeError("the sandbox was not started")
        return f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, on: str, fault: str, *, times: int | None = 1, match: str = "") -> None:
        """What `POST /sandbox/faults` does; `times` None strikes each time. Raises Misspelt."""
        self._faults.order(FaultOrder.parse({"on": on, "fault": fault, "times": times, "match": match}))

    def clear_faults(self) -> None:
        self._faults.clear_orders()

    def log(self) -> list[dict[str, Any]]:
        """What `GET /sandbox/log` answers."""
        return list(self._log)

    def accounts(self) -> list[dict[str, Any]]:
        """What `GET /sandbox/accounts` answers."""
        return self._api.accounts()

    def change_account(self, name: str, **fields: Any) -> None:
        """What `POST /sandbox/accounts` does. Raises Misspelt; LookupError."""
        self._accounts.change(name, fields)

    def jobs(self) -> list[dict[str, Any]]:
        """What `GET /sandbox/jobs` answers."""
        return self._api.jobs()

    def bill(self) -> dict[str, Any]:
        """What `GET /sandbox/bill` answers."""
        return self._api.bill()


def _log_file(home: Path) -> Path:
    path = home / "log.jsonl"
    if path.exists() and path.stat().st_size > _LOG_LARGEST:
        path.replace(home / "log.old.jsonl")
    return path
