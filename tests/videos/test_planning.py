"""Which clips a video is made of."""

from dataclasses import fields
from decimal import Decimal
from itertools import combinations_with_replacement, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conduit.api.errors import InvalidRequest
from videos.models import Clip, Portrait, Resolution, VideoModel
from videos.planning import IMAGE_COST, Plan, PlannedClip, longest, plan

DURATIONS = [1, 2, 3, 5, 6, 7, 10, 12, 15, 17, 30, 60]
LANDSCAPE, UPRIGHT = ["720x480", "1280x720", "1920x1080"], ["720x1280", "1080x1920"]
SHIPPED = ["video-01", "minimax-hailuo-02", "minimax-hailuo-2.3", "minimax-h3", "minimax-h3-max"]
P720 = {"resolution": "720P", "width": 1280, "height": 720, "fps": 25, "clips": {"6": "0.43"}}
P768 = {"resolution": "768P", "width": 1366, "height": 768, "fps": 24, "clips": {"6": "0.28", "10": "0.56"}}
P1080 = {"resolution": "1080P", "width": 1920, "height": 1080, "fps": 24, "clips": {"6": "0.49"}}


def model_of(*natives, **fields):
    defaults = {"name": "a-model", "upstream": "text", "upstream_with_frame": "frame"}
    return VideoModel(**defaults | fields, natives=list(natives))


def expected(seconds, resolution):
    return 10.0 * seconds or 5.0


def planned(model, duration, resolution="1280x720"):
    return plan(model, duration=duration, resolution=resolution, expected=expected)


def lengths(found):
    return [clip.seconds for clip in found.clips if clip.makes == "video"]


# ---- The models that are shipped -----------------------------------------------------------------------------------------

# Of each model and size: seconds asked, seconds of each clip.
TABLE = {
    ("video-01", "any"): {
        1: [6], 2: [6], 3: [6], 5: [6], 6: [6], 7: [6] * 2, 10: [6] * 2, 12: [6] * 2, 15: [6] * 3, 17: [6] * 3, 30: [6] * 5, 60: [6] * 10,
    },
    ("minimax-hailuo-02", "720"): {
        1: [6], 2: [6], 3: [6], 5: [6], 6: [6], 7: [10], 10: [10], 12: [6, 6], 15: [10, 6], 17: [10, 10], 30: [10] * 3, 60: [10] * 6,
    },
    ("minimax-hailuo-02", "1080"): {
        1: [6], 2: [6], 3: [6], 5: [6], 6: [6], 7: [6] * 2, 10: [6] * 2, 12: [6] * 2, 15: [6] * 3, 17: [6] * 3, 30: [6] * 5, 60: [6] * 10,
    },
    ("minimax-h3", "any"): {
        1: [4], 2: [4], 3: [4], 5: [5], 6: [6], 7: [7], 10: [10], 12: [12], 15: [15], 17: [9, 8], 30: [15, 15], 60: [15] * 4,
    },
}  # fmt: skip
TABLE["minimax-h3-max", "any"] = TABLE["minimax-h3", "any"]


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize("resolution", Resolution.values)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_models_make_each_length_of_these_clips(name, resolution):
    model = VideoModel.objects.get(name=name)
    like = name.replace("2.3", "02")
    table = TABLE.get((like, "any")) or TABLE[like, "1080" if "1080" in resolution else "720"]

    assert {duration: lengths(planned(model, duration, resolution)) for duration in DURATIONS} == table


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("name", "resolution", "native", "size", "ratio"),
    [
        ("video-01", "720x480", "720P", (1280, 720), ""),
        ("video-01", "1280x720", "720P", (1280, 720), ""),
        ("video-01", "1920x1080", "720P", (1280, 720), ""),
        ("video-01", "720x1280", "720P", (720, 1280), ""),
        ("video-01", "1080x1920", "720P", (720, 1280), ""),
        ("minimax-hailuo-02", "720x480", "768P", (1366, 768), ""),
        ("minimax-hailuo-02", "1280x720", "768P", (1366, 768), ""),
        ("minimax-hailuo-02", "1920x1080", "1080P", (1920, 1080), ""),
        ("minimax-hailuo-2.3", "720x1280", "768P", (768, 1366), ""),
        ("minimax-hailuo-2.3", "1080x1920", "1080P", (1080, 1920), ""),
        ("minimax-h3-max", "720x480", "480P", (864, 480), "16:9"),
        ("minimax-h3-max", "1280x720", "768P", (1344, 768), "16:9"),
        ("minimax-h3-max", "1080x1920", "768P", (768, 1344), "9:16"),
        ("minimax-h3", "720x480", "768P", (1344, 768), "16:9"),
        ("minimax-h3", "1280x720", "768P", (1344, 768), "16:9"),
        ("minimax-h3", "1920x1080", "2K", (2560, 1440), "16:9"),
        ("minimax-h3", "720x1280", "768P", (768, 1344), "9:16"),
        ("minimax-h3", "1080x1920", "2K", (1440, 2560), "9:16"),
    ],
)
def test_the_shipped_models_make_each_size_of_this_native_one(name, resolution, native, size, ratio):
    model = VideoModel.objects.get(name=name)

    for duration in DURATIONS:
        found = planned(model, duration, resolution)
        assert (found.width, found.height) == size
        assert {(clip.resolution, clip.ratio) for clip in found.clips if clip.makes == "video"} == {(native, ratio)}
        begins_from_an_image = not name.startswith("minimax-h3") and resolution in UPRIGHT
        assert [clip.makes for clip in found.clips] == ["image"] * begins_from_an_image + ["video"] * len(lengths(found))


@pytest.mark.django_db
@pytest.mark.sqlite
def test_a_minute_of_h3_is_four_clips_of_the_second_api():
    found = planned(VideoModel.objects.get(name="minimax-h3"), 60, "1920x1080")

    assert [(clip.api, clip.upstream, clip.start, clip.sends_size, clip.cost) for clip in found.clips] == [
        ("v2", "MiniMax-H3", "text", True, Decimal("1.95")),
        *[("v2", "MiniMax-H3", "previous", True, Decimal("1.95"))] * 3,
    ]
    assert (found.cost, found.seconds, found.fps) == (Decimal("7.80"), 60, 24)


# ---- Rules ---------------------------------------------------------------------------------------------------------------


def test_a_chain_goes_on_with_the_sibling_that_takes_a_frame():
    assert [(clip.upstream, clip.start) for clip in planned(model_of(P720), 13).clips] == [
        ("text", "text"), ("frame", "previous"), ("frame", "previous"),
    ]  # fmt: skip


def test_portrait_begins_with_an_upright_image_and_turns_the_pixels():
    found = planned(model_of(P720), 7, "720x1280")

    image, first, second = found.clips
    assert (image.makes, image.start, image.api, image.upstream, image.ratio) == ("image", "text", "v1", "image-01", "9:16")
    assert (image.seconds, image.resolution, image.cost, image.expected_seconds) == (0, "", IMAGE_COST, 5.0)
    assert {(clip.upstream, clip.start) for clip in (first, second)} == {("frame", "previous")}
    assert (found.width, found.height, found.cost) == (720, 1280, Decimal("0.8635"))


def test_portrait_is_the_centre_of_a_landscape_video_where_an_administrator_chose_that():
    found = planned(model_of(P768, P1080, portrait=Portrait.CROP), 6, "720x1280")

    assert [(clip.makes, clip.upstream, clip.start) for clip in found.clips] == [("video", "text", "text")]
    assert (found.width, found.height) == (1920, 1080)  # 1.2 times up, where 768P would be 1.7 times
    assert found.treatment == ("68 % of the picture cropped", "scaled up to 118.5%")


def test_portrait_is_cropped_where_nothing_goes_on_from_an_image():
    assert [clip.makes for clip in planned(model_of(P720, upstream_with_frame=""), 6, "720x1280").clips] == ["video"]


def test_what_takes_no_text_alone_begins_with_an_image_of_its_own_ratio():
    fast = model_of(P768 | {"needs_frame": True}, upstream="fast", upstream_with_frame="fast")

    assert [(clip.upstream, clip.start, clip.ratio) for clip in planned(fast, 12).clips] == [
        ("image-01", "text", "16:9"), ("fast", "previous", ""), ("fast", "previous", ""),
    ]  # fmt: skip
    assert [(clip.upstream, clip.ratio) for clip in planned(fast, 6, "720x1280").clips] == [("image-01", "9:16"), ("fast", "")]


def test_a_size_that_takes_text_goes_before_one_that_needs_an_image_first():
    small = {"resolution": "512P", "width": 912, "height": 512, "fps": 24, "clips": {"6": "0.1"}, "needs_frame": True}

    assert [clip.resolution for clip in planned(model_of(small, P768), 6, "720x480").clips] == ["768P"]


def test_a_model_that_goes_on_from_no_frame_makes_at_most_its_longest_clip():
    model = model_of(P768, P1080, upstream_with_frame="")

    assert lengths(planned(model, 10)) == [10]
    assert planned(model, 10).another() is None
    assert planned(model, 10, "1920x1080").clips[0].resolution == "768P"  # its 1080P has no clip that long
    assert longest(model) == 10
    with pytest.raises(InvalidRequest) as refusal:
        planned(model, 11)
    assert refusal.value.param == "duration"
    assert "at most 10 s" in str(refusal.value)


def test_only_as_large_as_needed_and_as_cheap_as_possible():
    large = P1080 | {"clips": {"6": "0.10"}}

    assert planned(model_of(P768, large), 6).clips[0].resolution == "1080P"  # it is large enough too, and cheaper
    assert planned(model_of(P768, P1080), 6).clips[0].resolution == "768P"
    assert planned(model_of(P768 | {"clips": {"6": "0.01"}}, P1080), 6, "1920x1080").clips[0].resolution == "1080P"  # never an upscale


def test_of_what_costs_the_same_the_one_that_is_cropped_less():
    square = {"resolution": "square", "width": 1440, "height": 1440, "fps": 25, "clips": {"6": "0.43"}}

    assert planned(model_of(square, P720), 6).clips[0].resolution == "720P"
    assert planned(model_of(square, P720, portrait=Portrait.CROP), 6, "720x1280").clips[0].resolution == "square"


def test_fewer_clips_go_before_cheaper_ones():
    assert lengths(planned(model_of(P768 | {"clips": {"6": "0.01", "10": "9"}}), 7)) == [10]


def test_the_further_clip_is_the_cheapest_that_goes_on():
    further = planned(model_of(P768), 20).another()

    assert (further.upstream, further.start, further.seconds, further.cost) == ("frame", "previous", 6, Decimal("0.28"))


@pytest.mark.parametrize(
    ("natives", "duration", "resolution", "treatment"),
    [
        ([P720], 6, "1280x720", ("delivered as it came",)),
        ([P720], 5, "1280x720", ("trimmed from 6 s to 5 s",)),
        ([P720], 12, "1280x720", ("2 clips joined",)),
        ([P720], 17, "1920x1080", ("3 clips joined", "trimmed from 18 s to 17 s", "scaled up to 150.0%")),
        ([P720], 6, "720x480", ("16 % of the picture cropped", "scaled down to 66.7%")),
        ([P768], 6, "1280x720", ("0.049 % of the picture cropped", "scaled down to 93.8%")),
    ],
)
def test_a_plan_says_what_is_done_to_its_clips(natives, duration, resolution, treatment):
    assert planned(model_of(*natives), duration, resolution).treatment == treatment


def test_a_plan_is_read_as_it_was_stored():
    found = planned(model_of(P720), 17, "1080x1920")

    assert Plan.from_json(found.as_json()) == found
    assert found.expected_seconds == 5 + 3 * 60


def test_a_planned_clip_says_what_a_clip_is_asked_for():
    assert {field.name for field in fields(PlannedClip)} < {field.name for field in Clip._meta.fields}


# ---- For any catalogue ---------------------------------------------------------------------------------------------------

CATALOGUES = st.dictionaries(st.integers(1, 12), st.integers(0, 400).map(lambda cents: str(Decimal(cents) / 100)), min_size=1, max_size=4)


@given(CATALOGUES, st.integers(1, 24))
def test_no_choice_of_as_few_clips_is_cheaper_or_has_less_surplus_for_its_cost(costs, duration):
    native = P720 | {"clips": {str(seconds): cost for seconds, cost in costs.items()}}
    found = lengths(planned(model_of(native), duration))

    count = next(count for count in range(1, duration + 1) if count * max(costs) >= duration)
    choices = [choice for choice in combinations_with_replacement(costs, count) if sum(choice) >= duration]
    assert len(found) == count
    assert sum(found) >= duration

    def rank(choice):
        return sum(Decimal(costs[seconds]) for seconds in choice), sum(choice), max(choice) - min(choice) if count == 2 else 0

    assert rank(found) == min(map(rank, choices))


SIZES = st.tuples(st.integers(16, 3000), st.integers(16, 3000))


@given(
    sizes=st.lists(SIZES, min_size=1, max_size=4),
    costs=CATALOGUES,
    duration=st.integers(1, 60),
    resolution=st.sampled_from(Resolution.values),
    portrait=st.sampled_from(Portrait.values),
    needs_frame=st.booleans(),
)
def test_any_model_that_chains_makes_any_video(sizes, costs, duration, resolution, portrait, needs_frame):
    clips = {str(seconds): cost for seconds, cost in costs.items()}
    natives = [
        {"resolution": f"{number}", "width": width, "height": height, "fps": 24, "clips": clips, "needs_frame": needs_frame}
        for number, (width, height) in enumerate(sizes)
    ]
    found = planned(model_of(*natives, portrait=portrait), duration, resolution)

    assert found.seconds >= duration
    assert found.seconds - min(lengths(found)) < duration  # each is needed
    assert len({clip.resolution for clip in found.clips if clip.makes == "video"}) == 1
    assert all(after.start == "previous" for _, after in pairwise(found.clips))
    assert found.clips[0].start == "text"
    assert (found.clips[0].makes == "image") or not needs_frame
    width, height = map(int, resolution.split("x"))
    if any(w >= width and h >= height and (w > h) == (width > height) for w, h in sizes):
        assert found.width >= width
        assert found.height >= height
    assert found == planned(model_of(*reversed(natives), portrait=portrait), duration, resolution)
    assert Plan.from_json(found.as_json()) == found
