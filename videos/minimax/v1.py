"""MiniMax's V1 API for video (video-01 and the Hailuo family): create a job, ask how it goes, find its file, fetch it."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import datetime

from videos.minimax import errors, images, reading, words
from videos.minimax.client import Answer, Client
from videos.minimax.download import Download, is_video
from videos.minimax.errors import Cause, Undecided
from videos.minimax.provider import JobState, Order, Phase, RemoteFile


class MiniMaxV1:
    """V1 behind the face of `Provider`: it has no list and no cancel, so a lost create stays lost."""

    can_find_lost = False

    def __init__(self, client: Client, *, max_clip_bytes: int) -> None:
        self._client = client
        self._max_clip_bytes = max_clip_bytes

    def create(self, order: Order) -> str:
        optional = {
            "duration": order.seconds,
            "resolution": order.resolution,
            "first_frame_image": None if order.first_frame is None else images.data_url(order.first_frame),
            "last_frame_image": None if order.last_frame is None else images.data_url(order.last_frame),
            "subject_reference": [{"type": "character", "image": [*map(images.data_url, order.references)]}] if order.references else None,
            "prompt_optimizer": order.prompt_optimizer,
            "aigc_watermark": order.watermark or None,
            "callback_url": order.callback_url,
        }
        fields = {"model": order.upstream, "prompt": order.prompt} | {name: value for name, value in optional.items() if value is not None}
        answer = self._client.accept(self._client.call("create", "POST", "/v1/video_generation", fields=fields))
        return reading.identifier(answer.body.get("task_id")) or self._client.useless(answer)

    def query(self, task_id: str) -> JobState:
        answer = self._client.call("query", "GET", "/v1/query/video_generation", params={"task_id": task_id})
        status = reading.status(answer.body.get("status")) if answer.believable else None
        if errors.is_content_verdict(answer.code) or (status is not None and _says_failed(status, answer, task_id)):
            return JobState(Phase.FAILED, error=self._client.error(_verdict(status, answer.code), answer))
        self._client.accept(answer)
        if status is None:
            self._client.useless(answer)
        file_id = reading.identifier(answer.body.get("file_id"))
        if file_id is not None and words.phase_of(status) is Phase.SUCCEEDED:
            return JobState(Phase.SUCCEEDED, file_id)
        return words.unfinished(status)

    def locate(self, file_id: str) -> RemoteFile:
        answer = self._client.accept(self._client.call("retrieve", "GET", "/v1/files/retrieve", params={"file_id": file_id}))
        facts = reading.mapping(answer.body.get("file"))
        url = reading.link(facts.get("download_url")) or self._client.useless(answer)
        return RemoteFile(url, reading.link(facts.get("backup_download_url")), reading.positive(facts.get("bytes")))

    def find_lost(
        self, order: Order, *, sent_after: datetime, known_ids: Collection[str], sent_until: datetime | None = None
    ) -> str | None:
        raise Undecided(*errors.UNDECIDED)

    def test(self) -> None:
        """Asks for a job that there is none of."""
        answer = self._client.call("test", "GET", "/v1/query/video_generation", params={"task_id": "0"})
        # Whatever is said of that job is well said.
        if not answer.believable or errors.is_of_the_call(answer.code):
            self._client.accept(answer)

    def cancel(self, task_id: str) -> bool:
        return False

    def download(self, url: str, *, expected_size: int | None) -> AbstractContextManager[Download]:
        return self._client.open(url, is_right=is_video, expected_size=expected_size, max_bytes=self._max_clip_bytes)


def _says_failed(status: str, answer: Answer, task_id: str) -> bool:
    """Whether the job failed. What a proxy says may be about the call alone: it counts where the answer is about this job, and fine."""
    if words.phase_of(status) is not Phase.FAILED:
        return False
    of_job = answer.code is not None or reading.identifier(answer.body.get("task_id")) == task_id
    return status in words.MINIMAXS_OWN_FAILED or (of_job and not errors.is_of_the_call(answer.code))


def _verdict(status: str | None, code: int | None) -> Cause:
    cause = errors.cause_of_job(code)
    if cause is not errors.JOB_FAILED:
        return cause
    return errors.JOB_CANCELLED if status in words.CANCELLED else errors.JOB_EXPIRED if status == words.EXPIRED else cause
