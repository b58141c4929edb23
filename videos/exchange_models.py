"""What was said to MiniMax and answered, and how long its jobs took."""

import statistics
from collections.abc import Collection
from uuid import UUID

from django.db import connection, models
from django.db.models import Index, Q, UniqueConstraint

from conduit import clock
from videos.minimax.exchanges import PATH_MAX, TEXT_MAX, TRACE_MAX, WORD_MAX

# Exchanges among which a trace id is looked for.
TRACES_LOOKED_AT = 20_000


class ExchangeQuerySet(models.QuerySet["Exchange"]):
    def newest(self, video_id: UUID, most: int) -> "ExchangeQuerySet":
        """The last ones of a video, newest first."""
        return self.filter(video=video_id).order_by("-last_at", "-id")[:most]

    def errors(self) -> "ExchangeQuerySet":
        """Those that came to nothing, newest first: each is a row of its own."""
        return self.filter(is_error=True).order_by("-first_at", "-id")

    def tasks_with_trace(self, text: str) -> list[UUID]:
        """The tasks of the newest TRACES_LOOKED_AT exchanges that MiniMax knows by that trace id.

        They have no index of their own: each query that changes nothing writes its trace id, and would have to write to all indexes.
        """
        newest, _ = self.order_by("-first_at").values("video_id", "trace_id")[:TRACES_LOOKED_AT].query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT DISTINCT video_id FROM ({newest}) AS newest WHERE trace_id = %s", [text])  # noqa: S608 - our columns
            return [found if isinstance(found, UUID) else UUID(found) for (found,) in cursor.fetchall()]


class Exchange(models.Model):
    """One call to MiniMax and its answer; of queries that were answered alike, all in one row. Written by videos.exchanges."""

    video = models.ForeignKey("videos.Video", on_delete=models.CASCADE, related_name="exchanges", db_index=False)
    clip_number = models.PositiveSmallIntegerField(null=True, help_text="The clip at hand.")
    call = models.CharField(max_length=20)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=PATH_MAX, help_text="A download's with its host; never with what is signed.")
    http = models.IntegerField(null=True, help_text="HTTP status; empty: no answer came.")
    code = models.IntegerField(null=True, help_text="MiniMax's own code.")
    status = models.CharField(max_length=WORD_MAX, help_text="The job's, in MiniMax's word.")
    message = models.CharField(max_length=TEXT_MAX, help_text="MiniMax's, or what became of the call.")
    trace_id = models.CharField(max_length=TRACE_MAX, help_text="What MiniMax's support asks for; of the newest.")
    is_error = models.BooleanField()
    milliseconds = models.PositiveIntegerField(help_text="Of the newest.")
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    unchanged = models.UUIDField(null=True, help_text="What is the same of all queries in the row, hashed; empty: no query.")
    request = models.TextField(blank=True, default="", db_default="", help_text="What was sent, redacted (videos.minimax.exchanges.body).")
    answer = models.TextField(blank=True, default="", db_default="", help_text="What came back, redacted; of queries the first.")

    objects = models.Manager.from_queryset(ExchangeQuerySet)()

    class Meta:
        ordering = ["-last_at", "-id"]
        # Also reads them (ExchangeQuerySet.newest). Others than queries never meet in it.
        constraints = [UniqueConstraint(fields=["video", "clip_number", "unchanged"], name="exchange_once_while_unchanged")]
        # videos.exchanges.forget_old. Not last_at: what each query changes should be in no index.
        indexes = [
            Index(fields=["first_at"], name="exchange_age"),
            Index(fields=["-first_at", "-id"], condition=Q(is_error=True), name="exchange_error"),  # ExchangeQuerySet.errors
        ]

    def __str__(self) -> str:
        return f"{self.call} of clip {self.clip_number} of {self.video_id}: {self.http}"


class TimingQuerySet(models.QuerySet["Timing"]):
    def typical(self, *, upstreams: Collection[str], seconds: int, resolution: str) -> tuple[float, float] | None:
        """Median seconds (made, delivered) of the last twenty such clips of these models at MiniMax; None before the first."""
        lately = list(
            self.filter(upstream__in=upstreams, seconds=seconds, resolution=resolution)
            .order_by("-id")
            .values_list("made_in", "delivered_in")[:20]
        )
        if not lately:
            return None
        made, delivered = zip(*lately, strict=True)
        return statistics.median(made), statistics.median(delivered)


class Timing(models.Model):
    """How long one finished job took: what later estimates are made of."""

    upstream = models.CharField(max_length=100)
    seconds = models.PositiveSmallIntegerField()
    resolution = models.CharField(max_length=10)
    made_in = models.FloatField(help_text="Seconds from MiniMax's acceptance to its end, at MiniMax's own pace.")
    delivered_in = models.FloatField(help_text="Seconds from then until the video was stored.")
    created_at = models.DateTimeField(default=clock.now)

    objects = models.Manager.from_queryset(TimingQuerySet)()

    class Meta:
        indexes = [Index(fields=["upstream", "seconds", "resolution", "-id"], name="timing_typical")]  # TimingQuerySet.typical

    def __str__(self) -> str:
        return f"{self.upstream} {self.seconds} s {self.resolution}: {self.made_in:.0f} s"
