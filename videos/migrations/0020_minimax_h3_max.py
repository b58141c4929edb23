"""The fast tier of H3, what models take beside text, and what MiniMax asked for pictures in late 2026."""

from decimal import Decimal

from django.db import migrations


def seconds_at(price):
    return {str(seconds): str(Decimal(price) * seconds) for seconds in range(4, 16)}


H3_MAX = {
    "api": "v2",
    "upstream": "MiniMax-H3-Max",
    "upstream_with_frame": "MiniMax-H3-Max",
    "takes_ratio": True,
    "takes_last_frame": True,
    "natives": [
        {"resolution": resolution, "width": width, "height": height, "fps": 24, "ratio": ratio, "clips": seconds_at(price)}
        for resolution, ratio, width, height, price in (
            ("480P", "16:9", 864, 480, "0.05"),
            ("480P", "9:16", 480, 864, "0.05"),
            ("768P", "16:9", 1344, 768, "0.08"),
            ("768P", "9:16", 768, 1344, "0.08"),
        )
    ],
    "prompt_limit": 7000,
    "typical_seconds": 40,  # nobody published it: the fast tier of what takes 100
    "base_price": Decimal("0.58"),
    "least_seconds": 4,
}
# Base and factors leave at least a fifth of what MiniMax bills on top of it: 720x480 is made of 480P, the rest of 768P.
FACTORS = {"720x480": "0.625", "1280x720": "1", "1920x1080": "1", "720x1280": "1", "1080x1920": "1"}
# By the upstream model: references, pictures that are free, and USD for each further one, to us and to consumers.
PICTURES = {
    "MiniMax-H3": (9, 5, Decimal("0.04"), Decimal("0.05")),
    "MiniMax-H3-Max": (9, 2, Decimal("0.074"), Decimal("0.0925")),
}


def add(apps, schema_editor):
    VideoModel = apps.get_model("videos", "VideoModel")
    taken = {name for model in VideoModel.objects.all() for name in [model.name, *model.aliases]}
    if "minimax-h3-max" not in taken:  # else an administrator was quicker, and knows better
        model = VideoModel.objects.create(name="minimax-h3-max", **H3_MAX)
        for resolution, factor in FACTORS.items():
            model.factors.create(resolution=resolution, factor=Decimal(factor))
    VideoModel.objects.filter(api="v1").update(takes_prompt_optimizer=True)
    VideoModel.objects.filter(upstream="MiniMax-H3").update(takes_last_frame=True)
    for upstream, (references, free, cost, price) in PICTURES.items():
        pictures = {"references_most": references, "images_free": free, "image_cost": cost, "image_price": price}
        VideoModel.objects.filter(upstream=upstream).update(**pictures)


class Migration(migrations.Migration):
    dependencies = [("videos", "0019_inputs_by_role")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
