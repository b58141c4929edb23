"""Each parameter of a generation, right and wrong in every way that JSON allows."""

from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from conduit.api.errors import ApiError, classify
from videos.requests import GenerationRequest

GOOD = {"model": "minimax-video", "prompt": "a cat"}
# Values that are none of text, number or object where one is expected.
NESTED: list[Any] = [[], [[]], {}, {"a": {"b": [1]}}]


def parsed(**wanted: Any) -> GenerationRequest:
    return GenerationRequest.parse(GOOD | wanted)


def problem(body: dict[str, Any]) -> ApiError:
    """What the API would say to that body."""
    with pytest.raises((ValidationError, ApiError)) as refusal:
        GenerationRequest.parse(body)
    return classify(refusal.value)


def test_what_is_left_out_gets_its_default():
    assert parsed() == GenerationRequest("minimax-video", "a cat", 6, "1280x720", "16:9", {})


@pytest.mark.parametrize("name", ["duration", "resolution", "aspect_ratio", "metadata"])
def test_null_is_as_good_as_left_out(name):
    assert parsed(**{name: None}) == parsed()


@pytest.mark.parametrize("name", ["model", "prompt"])
@pytest.mark.parametrize(
    "value",
    [None, *NESTED, 7, 1.5, True, False, "", " ", "\t\n", "\u3000", "\x01", "\u3164\ufe0f", "a\0b", "\ud800", "a\udfff", "\udc00\ud800"],
)
def test_a_name_and_a_prompt_are_text_that_is_not_blank(name, value):
    known = problem(GOOD | {name: value})

    assert (known.status, known.param) == (400, name)
    assert f"`{name}`" in known.message


@pytest.mark.parametrize("name", ["model", "prompt"])
def test_a_name_and_a_prompt_are_required(name):
    body = {key: value for key, value in GOOD.items() if key != name}

    assert problem(body).param == name
    assert "required" in problem(body).message


@pytest.mark.parametrize(
    "prompt", ["x", " x ", "\U0001f408", "\u732b", "a\nb", "\u202eabc", "e\u0301", "<script>", "' OR 1=1 --", "\ufffd", "a\x01b", "{{7*7}}"]
)
def test_a_prompt_is_kept_as_it_came(prompt):
    assert parsed(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("value", "seconds"), [(1, 1), (60, 60), ("6", 6), ("06", 6), (" 6 ", 6), ("60", 60), (6.0, 6), (60.0, 60), ("1\n", 1)]
)
def test_a_duration_is_whole_seconds_or_the_text_of_them(value, seconds):
    found = parsed(duration=value).duration

    assert (found, type(found)) == (seconds, int)


@pytest.mark.parametrize(
    "value",
    [
        *NESTED, 0, -1, 61, 10**30, -(10**30), 1.5, 59.999, 1e300, float("inf"), float("nan"), True, False,
        "", " ", "0", "61", "-6", "+6", "6.0", "6s", "six", "1e1", "0x6", "6_0", "6 0", "\u0666", "\uff16", "\u00b2", "\u2166", "\u4e03",
        "6\0", "\ud800", "9" * 5000, "NaN", "null",
    ],
)  # fmt: skip
def test_any_other_duration_is_refused(value):
    known = problem(GOOD | {"duration": value})

    assert (known.status, known.param) == (400, "duration")
    assert "1 to 60" in known.message


@pytest.mark.parametrize(
    "value",
    [*NESTED, 7, 1.5, True, False, "", " ", "1280X720", "1280x720 ", "1280\u00d7720", "720p", "1280x721", "\0", "\ud800", "x" * 5000],
)
def test_a_resolution_that_is_none_of_the_five_is_refused_with_the_five(value):
    known = problem(GOOD | {"resolution": value})

    assert (known.status, known.param) == (400, "resolution")
    assert "720x480, 1280x720, 1920x1080, 720x1280, 1080x1920" in known.message


@pytest.mark.parametrize("value", [*NESTED, 7, 1.5, True, False, "", " ", "16/9", "16:9 ", "1:1", "9:21", "16\uff1a9", "\0", "\ud800"])
def test_an_aspect_ratio_that_is_none_of_the_four_is_refused_with_the_four(value):
    known = problem(GOOD | {"aspect_ratio": value})

    assert (known.status, known.param) == (400, "aspect_ratio")
    assert "16:9, 9:16, 4:3, 3:2" in known.message


@pytest.mark.parametrize(("ratio", "resolution"), [("16:9", "1280x720"), ("9:16", "720x1280"), ("4:3", "720x480"), ("3:2", "720x480")])
def test_an_aspect_ratio_alone_picks_a_resolution(ratio, resolution):
    found = parsed(aspect_ratio=ratio)

    assert (found.resolution, found.aspect_ratio) == (resolution, ratio)


@pytest.mark.parametrize(
    ("resolution", "ratio"),
    [("720x480", "3:2"), ("1280x720", "16:9"), ("1920x1080", "16:9"), ("720x1280", "9:16"), ("1080x1920", "9:16")],
)
def test_a_resolution_alone_has_its_ratio(resolution, ratio):
    found = parsed(resolution=resolution)

    assert (found.resolution, found.aspect_ratio) == (resolution, ratio)


FITTING = {"16:9": ["1280x720", "1920x1080"], "9:16": ["720x1280", "1080x1920"], "4:3": ["720x480"], "3:2": ["720x480"]}


@pytest.mark.parametrize("ratio", FITTING)
@pytest.mark.parametrize("resolution", ["720x480", "1280x720", "1920x1080", "720x1280", "1080x1920"])
def test_a_ratio_that_contradicts_the_resolution_is_refused_with_those_that_fit(ratio, resolution):
    if resolution in FITTING[ratio]:
        found = parsed(aspect_ratio=ratio, resolution=resolution)
        assert (found.resolution, found.aspect_ratio) == (resolution, ratio)
        return
    known = problem(GOOD | {"aspect_ratio": ratio, "resolution": resolution})
    assert (known.status, known.param) == (400, "aspect_ratio")
    assert all(size in known.message for size in [resolution, *FITTING[ratio]])


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": ""},
        {"order": "7", "\u732b": "\U0001f408"},
        {str(number): "x" for number in range(16)},
        {"n" * 64: "v" * 512},
        {"non_field_errors": "x", "__proto__": "y"},
    ],
)
def test_metadata_is_up_to_sixteen_short_strings(value):
    assert parsed(metadata=value).metadata == value


@pytest.mark.parametrize(
    "value",
    [
        [], [["a", "b"]], "text", "", 7, 0, True, False, 1.5,
        {"a": 1}, {"a": None}, {"a": True}, {"a": []}, {"a": {"b": "c"}},
        {str(number): "x" for number in range(17)},
        {"": "x"}, {"n" * 65: "x"}, {"a": "v" * 513}, {"a\0": "x"}, {"a": "\0"}, {"\ud800": "x"}, {"a": "\udfff"},
    ],
)  # fmt: skip
def test_any_other_metadata_is_refused(value):
    known = problem(GOOD | {"metadata": value})

    assert (known.status, known.param) == (400, "metadata")


@pytest.mark.parametrize("name", ["seed", "n", "Prompt", "prompt ", "task_id", "webhooks", "x" * 60, "gr\u00f6\u00dfe", "a.b"])
@pytest.mark.parametrize("value", [1, "x", None, {}, []])
def test_a_parameter_that_there_is_not_is_named(name, value):
    known = problem(GOOD | {name: value})

    assert (known.status, known.param) == (400, name)
    assert "model, prompt, duration, resolution, aspect_ratio, metadata" in known.message


def test_a_very_long_unknown_name_is_not_repeated_whole():
    assert len(problem(GOOD | {"x" * 100_000: 1}).message) < 300


def test_an_unknown_parameter_is_told_before_what_is_missing():
    assert problem({"promt": "a cat"}).param == "promt"
