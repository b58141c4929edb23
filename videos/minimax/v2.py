"""MiniMax's V2 API for video (MiniMax-H3): create, query, list and cancel. Its clips have links of their own, and no file ids.

The file id that the engine keeps is the task id: asking again for that gives a fresh link.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import datetime
from urllib.parse import quote

from videos.minimax import errors, images, lost, reading, words
from videos.minimax.client import Answer, Client
from videos.minimax.download import Download, is_video
from videos.minimax.errors import Cause, MiniMaxError
from videos.minimax.provider import JobState, Order, Phase, RemoteFile
from videos.minimax.records import Record, records_of

_JOBS = "/v2/query/video_generation"


class MiniMaxV2:
    """V2 behind the face of `Provider`."""

    can_find_lost = True

    def __init__(self, client: Client, *, max_clip_bytes: int) -> None:
        self._client = client
        self._max_clip_bytes = max_clip_bytes

    def create(self, order: Order) -> str:
        content: list[dict[str, object]] = [{"type": "text", "text": order.prompt}]
        frames = [("first_frame", order.first_frame), ("last_frame", order.last_frame)]
        for role, picture in [*frames, *(("reference_image", one) for one in order.references)]:
            if picture is not None:
                content.append({"type": "image_url", "image_url": {"url": images.data_url(picture)}, "role": role})
        optional = {
            "resolution": order.resolution,
            "ratio": order.ratio,
            "duration": order.seconds,
            "callback_url": order.callback_url,
        }
        fields = {"model": order.upstream, "content": content} | {name: value for name, value in optional.items() if value is not None}
        answer = self._client.accept(self._client.call("create", "POST", "/v2/video_generation", fields=fields))
        return reading.identifier(answer.body.get("task_id")) or self._client.useless(answer)

    def query(self, task_id: str) -> JobState:
        answer, record = self._ask(task_id)
        phase = words.phase_of(record.status)
        if phase is Phase.FAILED:
            return JobState(phase, error=self._client.error(_verdict(record), answer))
        if phase is Phase.SUCCEEDED and record.url:
            return JobState(phase, task_id)
        return words.unfinished(record.status)

    def locate(self, file_id: str) -> RemoteFile:
        answer, record = self._ask(file_id)
        return RemoteFile(record.url or self._client.useless(answer))

    def find_lost(
        self, order: Order, *, sent_after: datetime, known_ids: Collection[str], sent_until: datetime | None = None
    ) -> str | None:
        limits = self._client.limits
        window = (sent_until - sent_after).total_seconds() if sent_until else 0.0
        sending = window + limits.connect_seconds + limits.read_seconds
        search = lost.Search(order, sent_after, frozenset(known_ids), sending_seconds=sending)
        for page in range(1, lost.PAGES_MAX + 1):
            if search.add(*self._list(page)):
                break
        return search.result()

    def test(self) -> None:
        """Asks for a list of one."""
        self._client.accept(self._client.call("test", "GET", _JOBS, params={"page_num": "1", "page_size": "1"}))

    def cancel(self, task_id: str) -> bool:
        """Asked before, because a finished job's record would go, and after, because only the record tells whether it ran.

        Again after an error it gives the same answer.
        """
        status = self._status(task_id)
        if status != "queued":
            return status in words.CANCELLED
        refusal = None
        try:
            self._client.accept(self._client.call("cancel", "DELETE", f"/v2/video_generation/{quote(task_id, safe='')}"))
        except MiniMaxError as error:
            refusal = error
        status = self._status(task_id)
        if status == "queued" and refusal:
            raise refusal
        return status in words.CANCELLED

    def download(self, url: str, *, expected_size: int | None) -> AbstractContextManager[Download]:
        return self._client.open(url, is_right=is_video, expected_size=expected_size, max_bytes=self._max_clip_bytes)

    def _ask(self, task_id: str) -> tuple[Answer, Record]:
        answer = self._client.call("query", "GET", f"{_JOBS}/{quote(task_id, safe='')}")
        if answer.http == 404 and answer.believable:
            raise self._client.error(errors.JOB_GONE, answer)
        self._client.accept(answer)
        record = Record.read(answer.body.get("task"))
        if record is None or record.task_id != task_id:
            self._client.useless(answer)
        return answer, record

    def _status(self, task_id: str) -> str:
        """What the record says; "" when there is none any more."""
        try:
            return self._ask(task_id)[1].status
        except MiniMaxError as error:
            if (error.outcome, error.message) == (errors.JOB_GONE.outcome, errors.JOB_GONE.message):
                return ""
            raise

    def _list(self, page: int) -> tuple[list[Record | None], int | None]:
        """A page of the list, and how many records the whole has, where MiniMax says it."""
        params = {"page_num": str(page), "page_size": str(lost.PAGE_SIZE)}
        answer = self._client.accept(self._client.call("list", "GET", _JOBS, params=params, bytes_max=lost.PAGE_BYTES_MAX))
        records = records_of(answer.body)
        return self._client.useless(answer) if records is None else records, reading.positive(answer.body.get("total"))


def _verdict(record: Record) -> Cause:
    if record.status in words.CANCELLED:
        return errors.JOB_CANCELLED
    if record.status == "expired":
        return errors.JOB_EXPIRED
    return errors.cause_of_job(record.error_code)
