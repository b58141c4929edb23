"""What a video is, on its way and afterwards."""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Exists, F, Index, OuterRef, Q, Sum, UniqueConstraint

from tasks.models import ACTIVE, Status, Task, no_lease, retryable
from videos.account_models import ProviderAccount
from videos.bill_models import ProviderBill, ProviderBillLine
from videos.catalogue_models import (
    Api,
    BlockedTerm,
    CatalogueVersion,
    Portrait,
    Resolution,
    ResolutionFactor,
    VideoModel,
    clip_name,
)
from videos.exchange_models import Exchange, Timing
from videos.inputs import Role
from videos.links import StoredFile
from videos.queue_models import QueuedCreate
from videos.repeat_models import RepeatableCreate
from videos.rollup_models import (
    BilledCount,
    BilledOfAccount,
    BilledOfDay,
    BilledOfModel,
    BilledOfMonth,
    CallCount,
    CallTime,
    MakingTime,
)
from videos.sheet_models import Spritesheet
from videos.stages import Stage
from videos.storage_models import StorageWalk  # noqa: F401 - a table of this app

# The tables of this app and what their columns may hold, wherever they are written.
__all__ = [
    "Api",
    "BilledCount",
    "BilledOfAccount",
    "BilledOfDay",
    "BilledOfModel",
    "BilledOfMonth",
    "BlockedTerm",
    "CallCount",
    "CallTime",
    "CatalogueVersion",
    "Clip",
    "ClipState",
    "Exchange",
    "MakingTime",
    "Portrait",
    "ProviderAccount",
    "ProviderBill",
    "ProviderBillLine",
    "QueuedCreate",
    "RepeatableCreate",
    "Resolution",
    "ResolutionFactor",
    "Timing",
    "Video",
    "VideoModel",
    "clip_name",
]


class VideoQuerySet(models.QuerySet["Video"]):
    def delivered(self, task_id: UUID) -> "Video | None":
        """The video of a completed task."""
        return self.filter(pk=task_id, task__status=Status.COMPLETED).first()

    def unswept(self, now: datetime) -> "VideoQuerySet":
        """Videos of ended tasks whose leftover files nobody needs any more, and which were not removed yet.

        The clips of a task that may be retried are kept for a while; and any clip for as long as another task works with it.
        """
        ended = self.filter(swept_at=None).exclude(task__status__in=ACTIVE)
        kept = retryable("task__") & Q(
            task__ended_at__gt=now - timedelta(seconds=settings.FAILED_CLIPS_SECONDS), media_deleted_at=None, prompt_ended_at=None
        )
        taken_over = Clip.objects.filter(taken_from__video=OuterRef("pk"), video__swept_at=None)
        # Its file may be stored already, and not be named yet.
        drawn = Spritesheet.objects.awaited().filter(pk=OuterRef("pk"))
        # The newest first: what cannot be removed for good must not keep others from their turn.
        return ended.exclude(kept).filter(no_lease(now, "task__")).exclude(Exists(taken_over)).exclude(Exists(drawn)).order_by("-pk")


class Video(models.Model):
    """What one task asked for, how it is made, and what came of it."""

    task = models.OneToOneField(Task, on_delete=models.CASCADE, primary_key=True, related_name="video")
    prompt = models.TextField()
    duration = models.PositiveSmallIntegerField(help_text="Seconds, as asked.")
    resolution = models.CharField(max_length=10, choices=Resolution)
    aspect_ratio = models.CharField(max_length=5)
    remix_of = models.ForeignKey(
        Task, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+", help_text="Whose prompt this one changes."
    )
    prompt_optimizer = models.BooleanField(
        null=True, blank=True, help_text="Whether MiniMax may put the prompt into words of its own. Empty: as MiniMax likes."
    )

    # How it is made, fixed when the task was created: a later change of the catalogue does not reach it.
    upstream = models.CharField(max_length=100, help_text="The model's name at MiniMax, as `result.source` shows it.")
    plan = models.JSONField(help_text="videos.planning.Plan: which clips of what length and size, and what is done to them.")

    # How often the files made their reader die, or took more of the processors than they may: they are not read for ever.
    unfinished_assemblies = models.PositiveSmallIntegerField(default=0)
    assembling_at = models.DateTimeField(null=True, blank=True, help_text="When the run began that made what was delivered.")
    assembled_at = models.DateTimeField(null=True, blank=True, help_text="When that had made the file, and began to store it.")
    swept_at = models.DateTimeField(null=True, blank=True, help_text="When files that the ended task no longer needs were removed.")

    result_ended_at = models.DateTimeField(null=True, blank=True, help_text="When files were deleted that were kept for a time.")
    prompt_ended_at = models.DateTimeField(null=True, blank=True, help_text="When the prompt was deleted that was kept for a time.")
    media_deleted_at = models.DateTimeField(null=True, blank=True, help_text="When its owner deleted prompt and files.")
    unlisted_at = models.DateTimeField(null=True, blank=True, help_text="When it was deleted on OpenAI's wire, which shows it no more.")

    # The result, read from the delivered file.
    file = models.CharField(max_length=200, blank=True, help_text="Name in the storage.")
    thumbnail = models.CharField(max_length=200, blank=True, help_text="Name in the storage.")
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    thumbnail_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    fps = models.FloatField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)

    # What was made natively, read from the clips.
    source_width = models.PositiveIntegerField(null=True, blank=True)
    source_height = models.PositiveIntegerField(null=True, blank=True)
    source_fps = models.FloatField(null=True, blank=True)
    source_clips = models.PositiveSmallIntegerField(null=True, blank=True)
    speed = models.FloatField(null=True, blank=True, help_text="1, or a little less when frames were spread over the asked length.")

    objects = models.Manager.from_queryset(VideoQuerySet)()

    class Meta:
        indexes = [Index(fields=["task"], condition=Q(swept_at=None), name="video_unswept")]  # VideoQuerySet.unswept

    def __str__(self) -> str:
        return f"{self.duration} s at {self.resolution}: {self.prompt[:60]}"

    @property
    def title(self) -> str:
        """The prompt, for pages."""
        return "(its prompt was deleted)" if self.is_without_prompt else self.prompt

    @property
    def is_without_result(self) -> bool:
        """Whether it was deleted: by its owner, or since it was kept long enough."""
        return bool(self.media_deleted_at or self.result_ended_at)

    @property
    def is_without_prompt(self) -> bool:
        return bool(self.media_deleted_at or self.prompt_ended_at)

    def stored_file(self, name: str) -> StoredFile | None:
        match name:
            case "video.mp4" if self.file and self.size_bytes:
                return StoredFile(self.file, self.size_bytes, "video/mp4", f'"{self.file.rsplit("-", 1)[-1]}"', f"conduit-{self.pk}.mp4")
            case "thumbnail.jpg" if self.thumbnail and self.thumbnail_bytes:
                return StoredFile(
                    self.thumbnail, self.thumbnail_bytes, "image/jpeg", f'"{self.thumbnail.rsplit("-", 1)[-1]}"', f"conduit-{self.pk}.jpg"
                )
        return None


class ClipState(models.TextChoices):
    """How far one clip is. Each state but the last is what the next step starts from."""

    PLANNED = "planned"
    SUBMITTING = "submitting"  # the intent is stored; whether MiniMax accepted is not known until the answer is
    SUBMITTED = "submitted"
    MADE = "made"  # MiniMax has a file
    LOCATED = "located"  # and gave a link to it
    STORED = "stored"  # and our storage holds it
    FAILED = "failed"  # MiniMax failed it and bills nothing, or what came is no video: no task takes it over
    READY = "ready"  # and it was looked into: what it is, is known, and the frame from which the next goes on is stored


# How long a job counts as one that MiniMax makes when nobody waits for it any more: a little longer than MiniMax usually takes.
LOST_SIGHT_OF = timedelta(minutes=10)
# How long V2's list has a job.
LISTED_FOR = timedelta(days=7)
# A job is billed once, and taken over by retries: so many tasks may have its id.
TASKS_OF_ID = 100


class ClipQuerySet(models.QuerySet["Clip"]):
    def to_cancel_at_provider(self) -> "ClipQuerySet":
        """Jobs of ended tasks, which no retry waits for, that MiniMax may still be able to cancel: its V1 cannot."""
        ended = self.filter(api=Api.V2, state=ClipState.SUBMITTED, called_off_at=None).exclude(video__task__status__in=ACTIVE)
        same = Clip.objects.filter(provider_task_id=OuterRef("provider_task_id"), video__task__status__in=ACTIVE)
        return ended.exclude(Exists(same.exclude(provider_task_id="")))

    def to_follow(self, now: datetime) -> "ClipQuerySet":
        """Of ended tasks the jobs whose end is not known, and the orders of which MiniMax can tell whether it took them; those that it
        is to be asked for now, the longest waiting first."""
        told = ~Q(told_task_id="") | Q(api=Api.V2, sent_at__gt=now - LISTED_FOR)
        unknown = Q(state=ClipState.SUBMITTED) | (Q(state=ClipState.SUBMITTING) & told)
        due = Q(follow_at=None) | Q(follow_at__lte=now)
        followed = self.filter(unknown, due, makes=Clip.Makes.VIDEO).exclude(video__task__status__in=ACTIVE)
        return followed.order_by(F("follow_at").asc(nulls_first=True), "pk")

    def outlived(self) -> "ClipQuerySet":
        """Jobs at MiniMax whose task has ended, the newest first; each once, however many retries waited for it."""
        # Two indexes are laid side by side, of the jobs in flight and of the tasks under way: a join would look up each job's task.
        under_way = Task.objects.active().filter(pk=OuterRef("video_id"))
        return self.filter(~Exists(under_way), state=ClipState.SUBMITTED, taken_from=None).order_by("-sent_at", "-pk")

    def lost(self) -> "ClipQuerySet":
        """Orders of which it is not known whether MiniMax took them: of tasks where that is being found out, and of ended ones."""
        unknown = Q(video__task__stage=Stage.RECONCILING) | ~Q(video__task__status__in=ACTIVE)
        return self.filter(unknown, state=ClipState.SUBMITTING, makes=Clip.Makes.VIDEO).order_by("-pk")

    def reconciling(self) -> "ClipQuerySet":
        """Those of tasks that wait for it, the oldest first."""
        return self.lost().filter(video__task__status__in=ACTIVE).order_by("sent_at", "pk")

    def maybe_billed(self) -> "ClipQuerySet":
        """Those of tasks that have ended, the newest first: MiniMax may have billed them."""
        return self.lost().exclude(video__task__status__in=ACTIVE).order_by("-sent_at", "-pk")

    def in_flight(self, now: datetime) -> "ClipQuerySet":
        """Jobs that MiniMax may be making. Of a task that has ended nobody asks how its job goes: it counts for a while."""
        oldest = now - timedelta(seconds=settings.GENERATING_SECONDS_MAX) - LOST_SIGHT_OF
        waited_for = Q(video__task__status__in=ACTIVE) | Q(sent_at__gt=now - LOST_SIGHT_OF)
        called_off = Q(called_off_at__isnull=False, billed=0)
        sent = Q(state__in=[ClipState.SUBMITTING, ClipState.SUBMITTED], sent_at__gt=oldest)
        return self.filter(sent, waited_for).exclude(called_off)

    def to_count(self) -> "ClipQuerySet":
        """Those that are billed otherwise than roll-ups say (videos.rollups)."""
        return self.exclude(billed=F("billed_counted"))

    def sent_seconds(self, video_ids: Collection[UUID]) -> dict[UUID, int]:
        """The seconds of each video's clips that may have been sent.

        A clip counts from the moment its intent is stored: MiniMax may have accepted it then, bills it and cannot cancel. One
        that was taken over from a failed task, which was not charged for it, counts too.
        """
        sent = self.filter(Q(sent_at__isnull=False) | Q(taken_from__isnull=False) | Q(state=ClipState.READY), video__in=video_ids)
        return dict(sent.order_by().values_list("video_id").annotate(Sum("seconds")))

    def tasks_with_provider_id(self, text: str) -> list[UUID]:
        """The newest tasks with a clip to which MiniMax gave that id, of its job or of its file; a clip that was taken over has several."""
        found = self.filter(Q(provider_task_id=text) | Q(file_id=text)).order_by("-video").values_list("video_id", flat=True)
        return list(found.distinct()[:TASKS_OF_ID])


class Clip(models.Model):
    """One job at MiniMax: a clip of the video, or the image that is its first frame."""

    class Makes(models.TextChoices):
        VIDEO = "video"
        IMAGE = "image"

    class Start(models.TextChoices):
        """What its first frame is."""

        TEXT = "text", "made up from the prompt"
        PREVIOUS = "previous", "where the clip before it ends, or the image before it"
        GIVEN = "given", "a picture that was given"

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="clips")
    number = models.PositiveSmallIntegerField(help_text="Place in the video, from 0; a first image comes before the first clip.")

    # What MiniMax is asked for, from the plan.
    makes = models.CharField(max_length=5, choices=Makes, default=Makes.VIDEO)
    start = models.CharField(max_length=8, choices=Start, default=Start.TEXT)
    api = models.CharField(max_length=2, choices=Api)
    upstream = models.CharField(max_length=100)
    seconds = models.PositiveSmallIntegerField(default=0, help_text="0 for an image.")
    resolution = models.CharField(max_length=10, blank=True)
    ratio = models.CharField(max_length=5, blank=True, help_text="Empty: MiniMax is told none.")
    sends_size = models.BooleanField(default=True)
    inputs = models.JSONField(default=list, db_default=[], blank=True, help_text="The pictures that it is given: videos.inputs.Input.")
    watermark = models.BooleanField(default=False, db_default=False)
    surcharge = models.DecimalField(
        max_digits=10, decimal_places=4, default=Decimal(0), db_default=Decimal(0), help_text="USD of the cost that are for its pictures."
    )
    cost = models.DecimalField(max_digits=10, decimal_places=4, help_text="USD that MiniMax asks for one such job.")
    expected_seconds = models.FloatField(help_text="How long one like this took lately, from its acceptance to its end.")

    state = models.CharField(max_length=10, choices=ClipState, default=ClipState.PLANNED)
    creates = models.PositiveSmallIntegerField(default=0, help_text="Create calls made for it.")
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the intent to send it was stored.")
    sent_until = models.DateTimeField(
        null=True, blank=True, help_text="Of an order that may have been sent in what a restored database lacks: when that ended."
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    provider_task_id = models.CharField(max_length=100, blank=True)
    seen_running_at = models.DateTimeField(null=True, blank=True, help_text="The last query that found it unfinished.")
    made_at = models.DateTimeField(null=True, blank=True)
    file_id = models.CharField(max_length=200, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True, help_text="When our storage held it.")
    ready_at = models.DateTimeField(null=True, blank=True, help_text="When it had been looked into.")
    download_url = models.TextField(blank=True)
    download_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    file = models.CharField(max_length=200, blank=True, help_text="Name in the storage, while the task or a retry may need it.")
    billed = models.DecimalField(
        max_digits=10, decimal_places=4, default=0, help_text="USD that MiniMax bills for it: once it was accepted, unless it failed there."
    )
    billed_counted = models.DecimalField(
        max_digits=10, decimal_places=4, default=0, db_default=0, editable=False, help_text="USD of that which roll-ups hold already."
    )
    account = models.ForeignKey(
        ProviderAccount,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="clips",
        db_index=False,
        help_text="At MiniMax: the one that it was ordered with. Empty: it was not, or it was before there were several.",
    )
    called_off_at = models.DateTimeField(null=True, blank=True, help_text="When MiniMax was asked to cancel it, because its task ended.")
    told_task_id = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="MiniMax's id of the job as a callback told it: it counts once MiniMax, asked for it, knows it.",
    )
    pushed_at = models.DateTimeField(null=True, blank=True, help_text="When MiniMax last called back for it.")
    follow_at = models.DateTimeField(
        null=True, blank=True, help_text="Of an ended task whose job's end is not known: when MiniMax is asked next; empty: now."
    )
    strays = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="Jobs, with spaces between, that MiniMax made of orders of it that were said never to have been: billed too.",
    )
    taken_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="The clip of a failed task that it is."
    )

    # What looking into it showed.
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    fps = models.FloatField(null=True, blank=True)
    frames = models.PositiveIntegerField(null=True, blank=True)
    last_frame = models.CharField(
        max_length=200, blank=True, help_text="Name in the storage of the frame from which the next clip goes on."
    )

    objects = models.Manager.from_queryset(ClipQuerySet)()

    class Meta:
        constraints = [
            UniqueConstraint(fields=["video", "number"], name="clip_number_once_per_video"),
            CheckConstraint(
                condition=Q(state__in=["planned", "submitting"]) | ~Q(provider_task_id="") | Q(makes="image"), name="clip_sent_has_an_id"
            ),
            CheckConstraint(condition=Q(billed__gte=0, cost__gte=0), name="clip_costs_are_not_negative"),
        ]
        permissions = [("reconcile_clip", "Can say what became of an order whose answer was lost")]
        indexes = [
            Index(fields=["sent_at"], condition=Q(state="submitting"), name="clip_unanswered"),  # ClipQuerySet.lost
            # ClipQuerySet.to_cancel_at_provider, over the few that are with MiniMax.
            Index(fields=["video"], condition=Q(api="v2", state="submitted", called_off_at=None), name="clip_to_call_off"),
            # ClipQuerySet.in_flight, over the few that MiniMax may be making, and those of lately ended tasks
            Index(fields=["account", "sent_at"], condition=Q(state__in=["submitting", "submitted"]), name="clip_in_flight"),
            # ClipQuerySet.outlived, over those that are with MiniMax, without a look at their rows.
            Index(
                fields=["video"], include=["id", "billed", "sent_at"], condition=Q(state="submitted", taken_from=None), name="clip_outlived"
            ),
            Index(fields=["account", "sent_at"], condition=Q(account__isnull=False), name="clip_sent_lately"),  # videos.accounts.pace
            # ClipQuerySet.to_count, over the few of the last second.
            Index(fields=["id"], condition=~Q(billed=F("billed_counted")), name="clip_to_count"),
            # ClipQuerySet.tasks_with_provider_id
            Index(fields=["provider_task_id"], condition=~Q(provider_task_id=""), name="clip_of_job"),
            Index(fields=["file_id"], condition=~Q(file_id=""), name="clip_of_file"),
        ]

    def __str__(self) -> str:
        return f"clip {self.number} of {self.video_id} ({self.state})"

    @property
    def roles(self) -> set[str]:
        """Of the pictures that it is made with."""
        return {one["role"] for one in self.inputs} | ({str(Role.FIRST_FRAME)} if self.start == self.Start.PREVIOUS else set())

    @property
    def made_in_seconds(self) -> float:
        """How long MiniMax took: until the middle between the last query that found it unfinished and the one that found it made."""
        if not self.submitted_at or not self.made_at:
            return 0.0
        last_unfinished = self.seen_running_at or self.submitted_at
        return ((last_unfinished + (self.made_at - last_unfinished) / 2) - self.submitted_at).total_seconds()
