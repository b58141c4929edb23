from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from videos.catalogue import Native, Offer, nearest_native
from videos.models import Resolution, VideoModel

NATIVE = {"resolution": "720P", "width": 1280, "height": 720, "durations": [6]}
HAILUO = [
    {"resolution": "768P", "width": 1366, "height": 768, "durations": [6, 10]},
    {"resolution": "1080P", "width": 1920, "height": 1080, "durations": [6]},
]


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


@pytest.mark.parametrize(
    ("natives", "duration", "resolution", "native"),
    [
        ([NATIVE], 6, "1280x720", ("720P", 6)),
        ([NATIVE], 60, "1080x1920", ("720P", 6)),
        (HAILUO, 6, "1280x720", ("768P", 6)),
        (HAILUO, 7, "1280x720", ("768P", 10)),
        (HAILUO, 1, "720x480", ("768P", 6)),
        (HAILUO, 60, "1280x720", ("768P", 10)),
        (HAILUO, 6, "1920x1080", ("1080P", 6)),
        (HAILUO, 10, "1920x1080", ("1080P", 6)),
        ([*HAILUO, {"resolution": "P", "width": 720, "height": 1280, "durations": [6]}], 6, "1080x1920", ("P", 6)),
    ],
)
def test_minimax_is_asked_for_what_comes_nearest(natives, duration, resolution, native):
    found = nearest_native(VideoModel(natives=natives), duration=duration, resolution=Resolution(resolution))

    assert found == Native(*native)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "natives",
    [
        None, [], {}, "720P", 7, [{}], [[]], [NATIVE | {"width": 0}], [NATIVE | {"width": "1280"}], [NATIVE | {"durations": []}],
        [NATIVE | {"durations": [0]}], [NATIVE | {"durations": 6}], [NATIVE | {"resolution": 720}], [NATIVE, {"resolution": "x"}],
    ],
)  # fmt: skip
def test_a_model_whose_sizes_could_not_be_read_is_refused(natives):
    with pytest.raises(ValidationError) as refusal:
        VideoModel(name="new", upstream="x", natives=natives, typical_seconds=60, base_price=1).full_clean()
    assert "natives" in refusal.value.message_dict


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


@pytest.mark.django_db
def test_a_model_can_be_saved_again_under_its_own_names():
    VideoModel.objects.get().full_clean()
