from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from videos.catalogue import Offer, offers
from videos.margins import thinnest
from videos.media.reading import LARGEST_SIDE, SMALLEST_SIDE
from videos.models import Resolution, VideoModel
from videos.native_formats import SIDE_MAX, SIDE_MIN, NativeFormatsError, read_native_formats
from videos.planning import plan

NATIVE = {"resolution": "720P", "width": 1280, "height": 720, "fps": 25, "clips": {"6": "0.43"}}


def offer(base, **factors):
    return Offer(VideoModel(base_price=Decimal(base)), {size: Decimal(factor) for size, factor in factors.items()})


@pytest.mark.parametrize(
    ("base", "factor", "duration", "price"),
    [
        ("0.2", "1.0", 6, "0.2000"),
        ("0.2", "1.0", 1, "0.0333"),
        ("0.2", "1.0", 2, "0.0667"),
        ("0.2", "1.0", 60, "2.0000"),
        ("0.2", "0.8", 6, "0.1600"),
        ("0.2", "0.8", 1, "0.0267"),
        ("0.2", "0.8", 10, "0.2667"),
        ("0.2", "1.5", 6, "0.3000"),
        ("0.2", "1.5", 7, "0.3500"),
        ("0.2", "1.5", 60, "3.0000"),
        ("0.0003", "1", 1, "0.0001"),  # 0.00005: half goes up
        ("0.0009", "1", 1, "0.0002"),  # 0.00015: up, where half to even would be the same
        ("0.0015", "1", 1, "0.0003"),  # 0.00025: up, where half to even goes down
        ("0.0001", "0.5", 6, "0.0001"),
        ("0.0001", "0.499", 6, "0.0000"),
        ("0.0029", "1", 1, "0.0005"),
        ("0", "1.5", 60, "0.0000"),
        ("0.2", "0", 6, "0.0000"),
        ("999999.9999", "1.5", 60, "14999999.9985"),
    ],
)
def test_a_price_is_base_times_sixths_times_factor_rounded_half_up_to_four_decimals(base, factor, duration, price):
    found = offer(base, **{"1280x720": factor}).price(duration=duration, resolution=Resolution.R1280X720)

    assert (found, str(found)) == (Decimal(price), price)


def test_every_price_of_the_contract_is_within_half_a_unit_of_the_exact_one():
    contract = offer("0.2", **{"720x480": "0.8", "1280x720": "1.0", "1920x1080": "1.5"})
    for size, factor in contract.factors.items():
        for duration in range(1, 61):
            off = contract.price(duration=duration, resolution=Resolution(size)) * 6 - Decimal("0.2") * duration * factor
            assert Decimal("-0.0003") < off <= Decimal("0.0003")


@pytest.mark.parametrize(("duration", "price"), [(1, "0.3867"), (4, "0.3867"), (5, "0.4833"), (6, "0.5800")])
def test_a_video_shorter_than_the_shortest_clip_costs_what_that_costs(duration, price):
    found = Offer(VideoModel(base_price=Decimal("0.58"), least_seconds=4), {"1280x720": Decimal(1)})

    assert found.price(duration=duration, resolution=Resolution.R1280X720) == Decimal(price)


def test_a_native_size_is_one_that_assembly_takes():
    assert (SIDE_MIN, SIDE_MAX) == (SMALLEST_SIDE, LARGEST_SIDE)
    assert read_native_formats([NATIVE | {"width": SIDE_MAX, "height": SIDE_MIN}])
    for outside in (SIDE_MIN - 1, SIDE_MAX + 1):
        with pytest.raises(NativeFormatsError, match="`height` must be a whole number of pixels, 16 to 4096"):
            read_native_formats([NATIVE | {"height": outside}])


# ---- What is shipped


def shipped():
    return {found.model.name: found for found in offers()}


@pytest.mark.django_db
@pytest.mark.sqlite
def test_five_models_are_shipped():
    facts = {
        name: (found.model.api, found.model.upstream, found.model.upstream_with_frame, found.model.aliases, found.model.prompt_limit)
        for name, found in shipped().items()
    }

    assert facts == {
        "video-01": ("v1", "video-01", "I2V-01", ["minimax-video"], 2000),
        "minimax-hailuo-02": ("v1", "MiniMax-Hailuo-02", "MiniMax-Hailuo-02", [], 2000),
        "minimax-hailuo-2.3": ("v1", "MiniMax-Hailuo-2.3", "MiniMax-Hailuo-2.3", [], 2000),
        "minimax-h3": ("v2", "MiniMax-H3", "MiniMax-H3", [], 7000),
        "minimax-h3-max": ("v2", "MiniMax-H3-Max", "MiniMax-H3-Max", [], 7000),
    }
    assert all(list(found.factors) == Resolution.values for found in shipped().values())


@pytest.mark.django_db
@pytest.mark.sqlite
def test_the_price_of_minimax_video_is_the_contracts():
    found = shipped()["video-01"]

    for resolution, at_six_seconds in {
        "720x480": "0.16",
        "1280x720": "0.2",
        "1920x1080": "0.3",
        "720x1280": "0.2",
        "1080x1920": "0.3",
    }.items():
        for duration in range(1, 61):
            exact = Decimal(at_six_seconds) * duration / 6
            assert abs(found.price(duration=duration, resolution=Resolution(resolution)) - exact) <= Decimal("0.00005")


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["minimax-hailuo-02", "minimax-hailuo-2.3", "minimax-h3", "minimax-h3-max"])
def test_the_prices_that_are_ours_cover_minimaxs_with_a_fifth_to_spare(name):
    found = shipped()[name]
    margins = {
        (resolution, duration): found.price(duration=duration, resolution=resolution)
        / plan(found.model, duration=duration, resolution=resolution, expected=lambda seconds, size: 1.0).cost
        for resolution in Resolution
        for duration in range(1, 61)
    }

    assert min(margins.values()) >= Decimal("1.2")
    assert min(margins.values()) < Decimal("1.22")  # and are no higher than that takes
    worst = thinnest(found)
    assert worst
    assert worst.price / worst.cost == min(margins.values()) == margins[worst.resolution, worst.duration]


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["video-01", "minimax-hailuo-02", "minimax-hailuo-2.3", "minimax-h3", "minimax-h3-max"])
def test_what_is_shipped_can_be_saved_again(name):
    VideoModel.objects.get(name=name).full_clean()


# ---- What an administrator may write


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("natives", "fault"),
    [
        (None, "list"), ([], "list"), ({}, "list"), ("720P", "list"), (7, "list"),
        ([[]], "Entry 1: it must be an object"),
        ([{}], "Entry 1: `resolution`"),
        ([NATIVE, NATIVE | {"resolution": 720}], "Entry 2: `resolution`"),
        ([NATIVE | {"resolution": ""}], "`resolution`"),
        ([NATIVE | {"resolution": "x" * 11}], "`resolution`"), ([NATIVE | {"resolution": "7\0P"}], "`resolution`"),
        ([NATIVE | {"width": 0}], "`width`"), ([NATIVE | {"width": "1280"}], "`width`"), ([NATIVE | {"height": True}], "`height`"),
        ([NATIVE | {"height": 7.5}], "`height`"), ([NATIVE | {"height": 9000}], "`height`"),
        ([NATIVE | {"fps": 0}], "`fps`"), ([NATIVE | {"fps": "25"}], "`fps`"), ([NATIVE | {"fps": float("nan")}], "`fps`"),
        ([NATIVE | {"clips": {}}], "`clips`"), ([NATIVE | {"clips": [6]}], "`clips`"),
        ([NATIVE | {"clips": {"0": "1"}}], "`0` is no length"), ([NATIVE | {"clips": {"six": "1"}}], "`six` is no length"),
        ([NATIVE | {"clips": {"06": "1"}}], "`06` is no length"), ([NATIVE | {"clips": {"61": "1"}}], "`61` is no length"),
        ([NATIVE | {"clips": {"9" * 5000: "1"}}], "is no length"), ([NATIVE | {"ratio": f"16:{'9' * 5000}"}], "`ratio`"),
        ([NATIVE | {"clips": {"6": "free"}}], "cost of 6 s"), ([NATIVE | {"clips": {"6": "-1"}}], "cost of 6 s"),
        ([NATIVE | {"clips": {"6": "NaN"}}], "cost of 6 s"), ([NATIVE | {"clips": {"6": "1e9"}}], "cost of 6 s"),
        ([NATIVE | {"clips": {"6": "Infinity"}}], "cost of 6 s"),
        ([NATIVE | {"clips": {"6": "0.00001"}}], "cost of 6 s"), ([NATIVE | {"clips": {"6": None}}], "cost of 6 s"),
        ([NATIVE | {"clips": {"6": True}}], "cost of 6 s"),
        ([NATIVE | {"ratio": "wide"}], "`ratio`"), ([NATIVE | {"ratio": 7}], "`ratio`"), ([NATIVE | {"ratio": "1:0"}], "`ratio`"),
        ([NATIVE | {"ratio": "9:16"}], "contradict"),
        ([NATIVE | {"ratio": "16:9"}], "takes none"),
        ([NATIVE | {"needs_frame": "yes"}], "`needs_frame`"),
        ([NATIVE | {"durations": [6]}], "`durations` is not known"),
        ([NATIVE, NATIVE], "Entry 2: there is a 720P before it"),
    ],
)  # fmt: skip
def test_natives_that_could_not_be_read_are_refused_by_the_part_at_fault(natives, fault):
    with pytest.raises(ValidationError) as refusal:
        VideoModel(name="new", upstream="x", natives=natives, typical_seconds=60, base_price=1).full_clean()
    assert fault in " ".join(refusal.value.message_dict["natives"])


@pytest.mark.django_db
@pytest.mark.sqlite
def test_a_cost_may_be_a_number():
    VideoModel(name="new", upstream="x", natives=[NATIVE | {"clips": {"6": 0.28}}], typical_seconds=60, base_price=1).full_clean()


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"natives": [NATIVE], "takes_ratio": True}, ("natives", "720P needs a `ratio`")),
        ({"natives": [NATIVE | {"needs_frame": True}]}, ("upstream_with_frame", "needs the model that goes on from one")),
        ({"natives": [NATIVE], "least_seconds": 0}, ("least_seconds", "greater than or equal to 1")),
    ],
)
def test_a_model_of_which_no_video_could_be_made_is_refused(fields, fault):
    with pytest.raises(ValidationError) as refusal:
        VideoModel(**{"name": "new", "upstream": "x", "typical_seconds": 60, "base_price": 1} | fields).full_clean()
    assert fault[1] in " ".join(refusal.value.message_dict[fault[0]])


@pytest.mark.django_db
@pytest.mark.parametrize("aliases", ["minimax", {"a": 1}, [7], [""], [None], 7])
def test_a_model_whose_aliases_are_no_names_is_refused(aliases):
    with pytest.raises(ValidationError) as refusal:
        VideoModel(name="new", aliases=aliases, upstream="x", natives=[NATIVE], typical_seconds=60, base_price=1).full_clean()
    assert "aliases" in refusal.value.message_dict


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "aliases"), [("minimax-video", []), ("new", ["video-01"]), ("new", ["a", "minimax-video"])])
def test_a_name_belongs_to_one_model(name, aliases):
    with pytest.raises(ValidationError, match="already has the name"):
        VideoModel(name=name, aliases=aliases, upstream="x", natives=[NATIVE], typical_seconds=60, base_price=1).full_clean()
