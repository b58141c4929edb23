from decimal import Decimal
from itertools import islice

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

# Rows that are in memory at once.
BATCH = 1000

# What MiniMax asked for a clip in mid-2026, in USD by size and seconds.
PRICES_OF_HAILUO = {"768P": {"6": "0.28", "10": "0.56"}, "1080P": {"6": "0.49"}}
PRICES_OF_FAST = {"768P": {"6": "0.19", "10": "0.32"}, "1080P": {"6": "0.33"}}
PRICES_OF_01 = {"720P": {"6": "0.43"}}
PRICES = {
    "MiniMax-Hailuo-02": PRICES_OF_HAILUO,
    "MiniMax-Hailuo-2.3": PRICES_OF_HAILUO,
    "MiniMax-Hailuo-2.3-Fast": PRICES_OF_FAST,
    **dict.fromkeys(["video-01", "T2V-01", "T2V-01-Director", "I2V-01", "I2V-01-live"], PRICES_OF_01),
}
# What goes on from a first frame.
SIBLINGS = {
    **{name: name for name in ("MiniMax-Hailuo-02", "MiniMax-Hailuo-2.3", "MiniMax-Hailuo-2.3-Fast", "I2V-01", "I2V-01-live")},
    **dict.fromkeys(["video-01", "T2V-01", "T2V-01-Director"], "I2V-01"),
}


def cost_of(upstream, resolution, seconds):
    """0 where nobody wrote down what MiniMax asks: the administrator who added the model knows."""
    return PRICES.get(upstream, {}).get(resolution, {}).get(str(seconds), "0")


def rate_of(upstream):
    return 25 if "01" in upstream else 24


def price_natives(model):
    for native in model.natives:
        native["fps"] = rate_of(model.upstream)
        native["clips"] = {str(seconds): cost_of(model.upstream, native["resolution"], seconds) for seconds in native.pop("durations")}
        if model.upstream == "MiniMax-Hailuo-2.3-Fast":
            native["needs_frame"] = True


def convert_models(apps, schema_editor):
    for model in apps.get_model("videos", "VideoModel").objects.all():
        price_natives(model)
        model.upstream_with_frame = SIBLINGS.get(model.upstream, "")
        model.save(update_fields=["natives", "upstream_with_frame"])


def convert_videos(apps, schema_editor):
    """A plan of the one clip that each was made of until now, which those under way go on from."""
    Video = apps.get_model("videos", "Video")
    models_by_upstream = {model.upstream: model for model in apps.get_model("videos", "VideoModel").objects.order_by("-pk")}
    for videos in batches(Video.objects.all()):
        for video in videos:
            video.plan = plan_of(video, models_by_upstream.get(video.upstream))
        Video.objects.bulk_update(videos, ["plan"])


def batches(rows):
    found = rows.iterator(chunk_size=BATCH)
    while batch := list(islice(found, BATCH)):
        yield batch


def plan_of(video, model):
    natives = model.natives if model else []
    native = next((native for native in natives if native["resolution"] == video.native_resolution), None)
    native = native or {"width": 1280, "height": 720, "fps": rate_of(video.upstream)}
    clip = {
        "makes": "video",
        "start": "text",
        "api": "v1",
        "upstream": video.upstream,
        "seconds": video.native_seconds,
        "resolution": video.native_resolution,
        "ratio": "",
        "sends_size": video.sends_size,
        "cost": cost_of(video.upstream, video.native_resolution, video.native_seconds),
        "expected_seconds": video.expected_seconds,
    }
    sibling = SIBLINGS.get(video.upstream)
    return {
        "clips": [clip],
        "width": native["width"],
        "height": native["height"],
        "fps": float(native["fps"]),
        "treatment": [],
        "further": clip | {"start": "previous", "upstream": sibling} if sibling else None,
    }


def convert_clips(apps, schema_editor):
    Clip = apps.get_model("videos", "Clip")
    fields = ["api", "upstream", "seconds", "resolution", "sends_size", "cost", "expected_seconds", "billed"]
    for clips in batches(Clip.objects.select_related("video__task")):
        for clip in clips:
            fill(clip)
        Clip.objects.bulk_update(clips, fields)


def fill(clip):
    asked = clip.video.plan["clips"][0]
    for name in ("api", "upstream", "seconds", "resolution", "sends_size", "expected_seconds"):
        setattr(clip, name, asked[name])
    clip.cost = Decimal(asked["cost"])
    # Of one that was accepted and of which no file was seen, only a failed task says that it failed.
    failed = clip.state == "submitted" and clip.video.task.status == "failed"
    clip.billed = clip.cost if clip.provider_task_id and not failed else Decimal(0)


# ---- The models that are shipped -----------------------------------------------------------------------------------------

HAILUO = {
    "natives": [
        {"resolution": "768P", "width": 1366, "height": 768, "fps": 24, "clips": PRICES_OF_HAILUO["768P"]},
        {"resolution": "1080P", "width": 1920, "height": 1080, "fps": 24, "clips": PRICES_OF_HAILUO["1080P"]},
    ],
    "prompt_limit": 2000,
    "typical_seconds": 210,  # the middle of the 120 to 300 s of 768P
    "base_price": Decimal("0.58"),
    "least_seconds": 6,
}


def seconds_of_h3(price):
    return {str(seconds): str(Decimal(price) * seconds) for seconds in range(4, 16)}


H3 = {
    "api": "v2",
    "takes_ratio": True,
    "natives": [
        {"resolution": resolution, "width": width, "height": height, "fps": 24, "ratio": ratio, "clips": seconds_of_h3(price)}
        for resolution, ratio, width, height, price in (
            ("768P", "16:9", 1344, 768, "0.08"),
            ("768P", "9:16", 768, 1344, "0.08"),
            ("2K", "16:9", 2560, 1440, "0.13"),
            ("2K", "9:16", 1440, 2560, "0.13"),
        )
    ],
    "prompt_limit": 7000,
    "typical_seconds": 100,
    "base_price": Decimal("0.58"),
    "least_seconds": 4,
}
# Base, factors and least lengths leave at least a fifth of what MiniMax bills on top of it, at every length and size.
SHIPPED = [
    ("minimax-hailuo-02", "MiniMax-Hailuo-02", HAILUO | {"takes_last_frame": True}, "1.75"),
    ("minimax-hailuo-2.3", "MiniMax-Hailuo-2.3", HAILUO, "1.75"),
    ("minimax-h3", "MiniMax-H3", H3, "1.625"),
]


def add_models(apps, schema_editor):
    VideoModel = apps.get_model("videos", "VideoModel")
    taken = {name for model in VideoModel.objects.all() for name in [model.name, *model.aliases]}
    for name, upstream, fields, factor_of_1080 in SHIPPED:
        if name in taken:
            continue  # an administrator was quicker, and knows better
        model = VideoModel.objects.create(name=name, upstream=upstream, upstream_with_frame=upstream, **fields)
        for resolution in ("720x480", "1280x720", "1920x1080", "720x1280", "1080x1920"):
            model.factors.create(resolution=resolution, factor=Decimal(factor_of_1080 if "1080" in resolution else "1"))


class Migration(migrations.Migration):
    dependencies = [("videos", "0003_learned_times")]

    operations = [
        migrations.AddField(
            model_name="clip",
            name="api",
            field=models.CharField(choices=[("v1", "V1"), ("v2", "V2")], null=True, max_length=2),
        ),
        migrations.AddField(
            model_name="clip",
            name="billed",
            field=models.DecimalField(
                decimal_places=4,
                default=0,
                help_text="USD that MiniMax bills for it: once it was accepted, unless it failed there.",
                max_digits=10,
            ),
        ),
        migrations.AddField(
            model_name="clip",
            name="cost",
            field=models.DecimalField(decimal_places=4, null=True, help_text="USD that MiniMax asks for one such job.", max_digits=10),
        ),
        migrations.AddField(
            model_name="clip",
            name="expected_seconds",
            field=models.FloatField(null=True, help_text="How long one like this took lately, from its acceptance to its end."),
        ),
        migrations.AddField(
            model_name="clip",
            name="fps",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="clip",
            name="frames",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="clip",
            name="height",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="clip",
            name="last_frame",
            field=models.CharField(
                blank=True, help_text="Name in the storage of the frame from which the next clip goes on.", max_length=200
            ),
        ),
        migrations.AddField(
            model_name="clip",
            name="makes",
            field=models.CharField(choices=[("video", "Video"), ("image", "Image")], default="video", max_length=5),
        ),
        migrations.AddField(
            model_name="clip",
            name="ratio",
            field=models.CharField(blank=True, help_text="Empty: MiniMax is told none.", max_length=5),
        ),
        migrations.AddField(
            model_name="clip",
            name="resolution",
            field=models.CharField(blank=True, max_length=10),
        ),
        migrations.AddField(
            model_name="clip",
            name="seconds",
            field=models.PositiveSmallIntegerField(default=0, help_text="0 for an image."),
        ),
        migrations.AddField(
            model_name="clip",
            name="sends_size",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="clip",
            name="start",
            field=models.CharField(
                choices=[("text", "made up from the prompt"), ("previous", "where the clip before it ends, or the image before it")],
                default="text",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="clip",
            name="taken_from",
            field=models.ForeignKey(
                blank=True,
                help_text="The clip of a failed task that it is.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="videos.clip",
            ),
        ),
        migrations.AddField(
            model_name="clip",
            name="upstream",
            field=models.CharField(null=True, max_length=100),
        ),
        migrations.AddField(
            model_name="clip",
            name="width",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="video",
            name="plan",
            field=models.JSONField(
                null=True, help_text="videos.planning.Plan: which clips of what length and size, and what is done to them."
            ),
        ),
        migrations.AddField(
            model_name="video",
            name="source_clips",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="video",
            name="source_fps",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="video",
            name="source_height",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="video",
            name="source_width",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="video",
            name="speed",
            field=models.FloatField(blank=True, help_text="1, or a little less when frames were spread over the asked length.", null=True),
        ),
        migrations.AddField(
            model_name="videomodel",
            name="api",
            field=models.CharField(
                choices=[("v1", "V1"), ("v2", "V2")], default="v1", help_text="The version of MiniMax's API that makes it.", max_length=2
            ),
        ),
        migrations.AddField(
            model_name="videomodel",
            name="least_seconds",
            field=models.PositiveSmallIntegerField(
                default=1,
                help_text="A shorter video is priced as this long: MiniMax bills a whole clip for it.",
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="videomodel",
            name="portrait",
            field=models.CharField(
                choices=[("image", "from an upright first frame (image-01)"), ("crop", "the centre of a landscape video")],
                default="image",
                help_text="How portrait is made where the model makes only landscape from text.",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="videomodel",
            name="takes_last_frame",
            field=models.BooleanField(default=False, help_text="For the record: no plan ends with a given frame."),
        ),
        migrations.AddField(
            model_name="videomodel",
            name="takes_ratio",
            field=models.BooleanField(default=False, help_text="Whether MiniMax is told a ratio; others make landscape from text alone."),
        ),
        migrations.AddField(
            model_name="videomodel",
            name="upstream_with_frame",
            field=models.CharField(
                blank=True,
                help_text="The model that goes on from a first frame: itself, or its image-to-video sibling. Empty: none, so that no video can be longer than a clip.",
                max_length=100,
            ),
        ),
        migrations.RunPython(convert_models, migrations.RunPython.noop),
        migrations.RunPython(convert_videos, migrations.RunPython.noop),
        migrations.RunPython(convert_clips, migrations.RunPython.noop),
        migrations.RemoveConstraint(
            model_name="clip",
            name="clip_sent_has_an_id",
        ),
        migrations.RemoveField(
            model_name="video",
            name="expected_seconds",
        ),
        migrations.RemoveField(
            model_name="video",
            name="native_resolution",
        ),
        migrations.RemoveField(
            model_name="video",
            name="native_seconds",
        ),
        migrations.RemoveField(
            model_name="video",
            name="sends_size",
        ),
        migrations.AlterField(
            model_name="clip",
            name="api",
            field=models.CharField(choices=[("v1", "V1"), ("v2", "V2")], max_length=2),
        ),
        migrations.AlterField(
            model_name="clip",
            name="cost",
            field=models.DecimalField(decimal_places=4, help_text="USD that MiniMax asks for one such job.", max_digits=10),
        ),
        migrations.AlterField(
            model_name="clip",
            name="expected_seconds",
            field=models.FloatField(help_text="How long one like this took lately, from its acceptance to its end."),
        ),
        migrations.AlterField(
            model_name="clip",
            name="upstream",
            field=models.CharField(max_length=100),
        ),
        migrations.AlterField(
            model_name="video",
            name="plan",
            field=models.JSONField(help_text="videos.planning.Plan: which clips of what length and size, and what is done to them."),
        ),
        migrations.AddField(
            model_name="clip",
            name="called_off_at",
            field=models.DateTimeField(blank=True, help_text="When MiniMax was asked to cancel it, for a cancelled task.", null=True),
        ),
        migrations.AlterField(
            model_name="clip",
            name="file",
            field=models.CharField(blank=True, help_text="Name in the storage, while the task or a retry may need it.", max_length=200),
        ),
        migrations.AlterField(
            model_name="clip",
            name="number",
            field=models.PositiveSmallIntegerField(help_text="Place in the video, from 0; a first image comes before the first clip."),
        ),
        migrations.AlterField(
            model_name="clip",
            name="state",
            field=models.CharField(
                choices=[
                    ("planned", "Planned"),
                    ("submitting", "Submitting"),
                    ("submitted", "Submitted"),
                    ("made", "Made"),
                    ("located", "Located"),
                    ("stored", "Stored"),
                    ("failed", "Failed"),
                    ("ready", "Ready"),
                ],
                default="planned",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="video",
            name="upstream",
            field=models.CharField(help_text="The model's name at MiniMax, as `result.source` shows it.", max_length=100),
        ),
        migrations.AlterField(
            model_name="videomodel",
            name="natives",
            field=models.JSONField(
                help_text='What it makes, and what each length costs in USD: [{"resolution": "768P", "width": 1366, "height": 768, "fps": 24, "clips": {"6": "0.28", "10": "0.56"}}, …]; with "ratio": "9:16" where it takes one, and "needs_frame": true where it takes no text alone.'
            ),
        ),
        migrations.AddConstraint(
            model_name="clip",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["planned", "submitting"]),
                    models.Q(("provider_task_id", ""), _negated=True),
                    ("makes", "image"),
                    _connector="OR",
                ),
                name="clip_sent_has_an_id",
            ),
        ),
        migrations.AddConstraint(
            model_name="clip",
            constraint=models.CheckConstraint(condition=models.Q(("billed__gte", 0), ("cost__gte", 0)), name="clip_costs_are_not_negative"),
        ),
        migrations.AddIndex(
            model_name="clip",
            index=models.Index(
                condition=models.Q(("api", "v2"), ("called_off_at", None), ("state", "submitted")), fields=["video"], name="clip_to_call_off"
            ),
        ),
        migrations.RunPython(add_models, migrations.RunPython.noop),
    ]
