"""Which function answers which request: MiniMax's calls, and the sandbox's own control calls."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from videos.minimax.sandbox.calls_image import ImageCalls
from videos.minimax.sandbox.calls_v1 import V1
from videos.minimax.sandbox.calls_v2 import V2
from videos.minimax.sandbox.faults import FaultBook, FaultOrder, Misspelt
from videos.minimax.sandbox.jsonlines import JsonLines
from videos.minimax.sandbox.messages import Answer, Request, as_html, as_json
from videos.minimax.sandbox.storage import Storage
from videos.minimax.sandbox.world import Entry, World

_Call = Callable[[Request, Entry], Answer]


class Api:
    def __init__(self, world: World, log: JsonLines) -> None:
        self._world = world
        self._log = log
        v1, v2, images, storage = V1(world), V2(world), ImageCalls(world), Storage(world)
        self._calls: dict[tuple[str, str], tuple[str, _Call]] = {
            ("POST", "/v1/video_generation"): ("create", v1.create),
            ("GET", "/v1/query/video_generation"): ("query", v1.query),
            ("GET", "/v1/files/retrieve"): ("retrieve", v1.retrieve),
            ("POST", "/v1/image_generation"): ("image", images.create),
            ("POST", "/v2/video_generation"): ("create", v2.create),
            ("GET", "/v2/query/video_generation"): ("list", v2.page),
        }
        # By how their path begins; the more particular first.
        self._calls_below: list[tuple[str, str, str, _Call]] = [
            ("GET", "/v2/query/video_generation/", "query", v2.query),
            ("DELETE", "/v2/video_generation/", "cancel", v2.cancel),
            ("GET", "/download/images/", "download-image", storage.download_image),
            ("GET", "/download/", "download", storage.download),
        ]
        self._controls: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("POST", "/sandbox/faults"): self._order_fault,
            ("DELETE", "/sandbox/faults"): self._clear_faults,
            ("GET", "/sandbox/log"): lambda _: as_json(list(self._log)),
            ("GET", "/sandbox/jobs"): lambda _: as_json(self.jobs()),
            ("GET", "/sandbox/bill"): lambda _: as_json(self.bill()),
            ("GET", "/sandbox/accounts"): lambda _: as_json(self.accounts()),
            ("POST", "/sandbox/accounts"): self._change_account,
        }

    def answer(self, request: Request) -> Answer:
        """The answer to any request; every one of the API's is in the log before it is sent."""
        control = self._controls.get((request.method, request.path))
        if control:
            return control(request)
        name, call = self._call(request)
        entry: Entry = {"at": self._world.clock(), "call": name, "path": request.path, "trace_id": request.trace_id, "faults": []}
        answer = call(request, entry)
        self._log.append(entry | {"http": None if answer.cut else answer.http, "code": answer.code})
        return answer

    def jobs(self) -> list[dict[str, Any]]:
        """Every job, newest first, with the true fraction that MiniMax never tells."""
        now = self._world.clock()
        return [
            {
                "task_id": str(job.task_id),
                "file_id": str(job.file_id),
                "model": job.model,
                "prompt": job.prompt,
                "status": job.status(now),
                "fraction": job.fraction(now),
                "created_at": job.created_at,
                "seconds": job.seconds,
                "length": job.length,
                "resolution": job.size,
                "from_frame": job.starts_at,
                "has_first_frame": bool(job.first_frame),
                "account": job.account,
            }
            for job in self._world.jobs.newest_first()
        ]

    def accounts(self) -> list[dict[str, Any]]:
        """Every account without its key, with what it was billed in USD."""
        return [
            {name: value for name, value in account.as_json().items() if name != "key"} | {"billed": str(self._world.spent(account.name))}
            for account in self._world.accounts
        ]

    def bill(self) -> dict[str, Any]:
        """What the account owes in USD: every clip and image that was accepted, newest first, but for those that cost nothing."""
        now = self._world.clock()
        lines: list[dict[str, Any]] = [
            {
                "at": job.created_at,
                "id": str(job.task_id),
                "model": job.model,
                "usd": str(job.price),
                "billed": job.is_billed(now),
                "account": job.account,
            }
            for job in self._world.jobs.newest_first()
        ]
        lines += [
            {
                "at": order.created_at,
                "id": str(order.order_id),
                "model": order.model,
                "usd": order.price,
                "billed": True,
                "account": order.account,
            }
            for order in self._world.gallery.newest_first()
        ]
        lines.sort(key=lambda line: line["at"], reverse=True)
        total = sum((Decimal(line["usd"]) for line in lines if line["billed"]), Decimal(0))
        return {"total_usd": str(total), "lines": lines}

    def _call(self, request: Request) -> tuple[str, _Call]:
        exact = self._calls.get((request.method, request.path))
        if exact:
            return exact
        for method, start, name, call in self._calls_below:
            if request.method == method and request.path.startswith(start):
                return name, call
        return "unknown", _unknown

    def _change_account(self, request: Request) -> Answer:
        try:
            wanted = json.loads(request.body)
            if not isinstance(wanted, dict):
                raise Misspelt('an account is changed by an object of "name" and "key", "pace" or "balance"')
            self._world.accounts.change(str(wanted.pop("name", "")), wanted)
        except Misspelt as error:
            return as_json({"error": str(error)}, http=400)
        except LookupError:
            return as_json({"error": "there is no account of that name"}, http=404)
        except (ValueError, RecursionError):
            return as_json({"error": "the body is not JSON"}, http=400)
        return as_json(self.accounts())

    def _order_fault(self, request: Request) -> Answer:
        try:
            order = FaultOrder.parse(json.loads(request.body))
        except Misspelt as error:
            return as_json({"error": str(error)}, http=400)
        except (ValueError, RecursionError):
            return as_json({"error": "the body is not JSON"}, http=400)
        self._world.faults.order(order)
        return as_json({"fault": str(order)}, http=201)

    def _clear_faults(self, request: Request) -> Answer:
        self._world.faults.clear_orders()
        return as_json({})


# What names the one whose strikes are counted, in the log line of each call; the task's id in that of any other.
_SUBJECTS = {"create": "prompt", "image": "prompt", "download-image": "image_id", "list": "call"}
# What a log line holds when the call made something.
_MADE = {"create": "task_id", "image": "image_id"}


def restore_strikes(faults: FaultBook, log: JsonLines) -> None:
    """Faults that struck before a restart are not due again."""
    for entry in log:
        call = entry["call"]
        subject = entry.get(_SUBJECTS.get(call, "task_id"))
        if subject is None:
            continue
        faults.restore(subject, entry["faults"])
        if _MADE.get(call) in entry:
            faults.forget(call, subject)


def _unknown(request: Request, entry: Entry) -> Answer:
    return as_html("404 page not found", http=404)
