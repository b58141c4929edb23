"""What a step may write to the rows of a video and its clips, by name."""

from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from django.db.models.expressions import CombinedExpression

from videos.account_models import ProviderAccount
from videos.models import Clip


class ClipFields(TypedDict, total=False):
    state: str
    creates: int
    sent_at: datetime | None
    sent_until: datetime | None
    submitted_at: datetime | None
    provider_task_id: str
    told_task_id: str
    pushed_at: datetime | None
    follow_at: datetime | None
    seen_running_at: datetime | None
    made_at: datetime | None
    file_id: str | None
    download_url: str
    download_bytes: int | None
    fetched_at: datetime | None
    ready_at: datetime | None
    file: str
    billed: Decimal | int | CombinedExpression
    account: ProviderAccount | None
    taken_from: Clip | None

    width: int
    height: int
    fps: float
    frames: int
    last_frame: str


class VideoFields(TypedDict, total=False):
    unfinished_assemblies: int
