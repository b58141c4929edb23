"""What the calls of every API version lean on: the key, the links, the faults that strike, and where things are kept."""

import hashlib
import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from itertools import takewhile
from typing import Any
from urllib.parse import urlencode, urlsplit

from videos.minimax.sandbox.accounts import Account, Accounts
from videos.minimax.sandbox.callbacks import Callbacks
from videos.minimax.sandbox.clips import Clips
from videos.minimax.sandbox.drawing import DrawnClip
from videos.minimax.sandbox.faults import Directive, FaultBook, parse_prompt
from videos.minimax.sandbox.gallery import Gallery
from videos.minimax.sandbox.jobs import Job, Jobs, Manner
from videos.minimax.sandbox.messages import Answer, Request, as_html
from videos.minimax.sandbox.pictures import Frame, Frames, read_data_url

# What a request's log line tells beside its path; the calls add to it.
Entry = dict[str, Any]


class Links:
    """Signed links to the storage behind MiniMax, each for a path and a time."""

    def __init__(self, key: str, clock: Callable[[], float], seconds: float) -> None:
        self._key = key
        self._clock = clock
        self._seconds = seconds
        # Where links begin; known once the server listens.
        self.url = ""

    def to(self, path: str, *, expired: bool = False) -> str:
        now = self._clock()
        expires = str(int(now) - 1 if expired else int(now + self._seconds))
        return f"{self.url}{path}?" + urlencode({"expires": expires, "signature": self._signature(path, expires)})

    def is_signed(self, request: Request) -> bool:
        given = request.query.get("signature", "")
        return hmac.compare_digest(self._signature(request.path, request.query.get("expires", "")).encode(), given.encode())

    def has_expired(self, request: Request) -> bool:
        """Of a link that is signed."""
        return self._clock() > int(request.query["expires"])

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._key.encode(), f"{path} {expires}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class World:
    jobs: Jobs
    clips: Clips
    frames: Frames
    gallery: Gallery
    faults: FaultBook
    links: Links
    manner: Manner
    clock: Callable[[], float]
    accounts: Accounts
    callbacks: Callbacks

    def check_key(self, request: Request) -> Account:
        """The account that asks; raises Refused."""
        return self.accounts.of_key(request.authorization)

    def room(self, account: Account, price: Decimal) -> AbstractContextManager[None]:
        """See Accounts.room: jobs and images count alike."""
        return self.accounts.room(
            account, price, accepted=lambda since: self._accepted(account, since), spent=lambda: self.spent(account.name)
        )

    def _accepted(self, account: Account, since: float) -> int:
        """Newest first, so that only those of a minute are looked at."""
        jobs = takewhile(lambda job: job.created_at > since, self.jobs.newest_first())
        orders = takewhile(lambda order: order.created_at > since, self.gallery.newest_first())
        return sum(job.account == account.name for job in jobs) + sum(order.account == account.name for order in orders)

    def spent(self, name: str) -> Decimal:
        """USD that an account is billed."""
        now = self.clock()
        jobs = (job.price for job in self.jobs.newest_first() if job.account == name and job.is_billed(now))
        orders = (Decimal(order.price) for order in self.gallery.newest_first() if order.account == name)
        return sum((*jobs, *orders), Decimal(0))

    def clip(self, job: Job) -> DrawnClip:
        return self.manner.clip(job, self.frames.path(job.first_frame) if job.first_frame else None)

    def look(self, url: str) -> Frame | None:
        """The image behind a URL or data URL, kept; None for a URL that is not the sandbox's own: it reaches no network. Raises Unfit."""
        if not url.startswith(("http://", "https://")):
            return self.frames.keep(read_data_url(url))
        made = self.gallery.at(urlsplit(url).path) if url.startswith(f"{self.links.url}/") else None
        return self.frames.keep(made.jpeg()) if made else None

    def strike_job(self, call: str, job: Job, entry: Entry) -> list[Directive]:
        entry["task_id"] = str(job.task_id)
        return self.strike(call, str(job.task_id), parse_prompt(job.prompt), (job.prompt, str(job.task_id)), entry)

    def strike(self, call: str, subject: str, directives: tuple[Directive, ...], names: tuple[str, ...], entry: Entry) -> list[Directive]:
        struck = self.faults.strike(call, subject, directives, names)
        entry["faults"] = [label for _, label in struck]
        return [directive for directive, _ in struck]


def has(struck: list[Directive], name: str) -> bool:
    return any(fault.name == name for fault in struck)


def seconds(struck: list[Directive], name: str) -> float:
    return sum(fault.value for fault in struck if fault.name == name)


def page(http: int) -> Answer:
    """An error of what stands before the API."""
    return as_html(f"{http} Sandbox Fault", http=http)


def spoiled(struck: list[Directive], refuse: Callable[[int], Answer], fail: Callable[[int], Answer] = page) -> Answer | None:
    """The answer of a fault that keeps the call from being done at all; None when none of them does.

    `refuse` says a status code, and `fail` an HTTP status, as the call's API version does.
    """
    answer = None
    for fault in struck:
        match fault.name:
            case "status":
                answer = refuse(int(fault.value))
            case "rate-limit":
                answer = refuse(1002)
            case "http":
                answer = fail(int(fault.value))
            case "garbage":
                answer = as_html("Welcome to nginx!", http=200)
            case "cut":
                answer = Answer(cut=True)
    if answer:
        answer.delay = seconds(struck, "slow")
    return answer


def number_or_text(number: int, job: Job, struck: list[Directive]) -> int | str:
    return number if job.has("numeric-ids") or has(struck, "numeric-ids") else str(number)
