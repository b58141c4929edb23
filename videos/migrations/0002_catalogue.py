from decimal import Decimal

from django.db import migrations


def add_video_01(apps, schema_editor):
    """The contract's `minimax-video`. 160 s is the middle of the 80 to 240 s that MiniMax's video-01 typically takes."""
    model = apps.get_model("videos", "VideoModel").objects.create(
        name="video-01",
        aliases=["minimax-video"],
        upstream="video-01",
        sends_size=False,
        natives=[{"resolution": "720P", "width": 1280, "height": 720, "durations": [6]}],
        prompt_limit=2000,
        typical_seconds=160,
        base_price=Decimal("0.2000"),
    )
    factors = {"720x480": "0.8", "1280x720": "1.0", "1920x1080": "1.5", "720x1280": "1.0", "1080x1920": "1.5"}
    for resolution, factor in factors.items():
        model.factors.create(resolution=resolution, factor=Decimal(factor))


class Migration(migrations.Migration):
    dependencies = [("videos", "0001_initial")]

    operations = [migrations.RunPython(add_video_01, migrations.RunPython.noop)]
