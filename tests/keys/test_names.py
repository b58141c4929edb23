"""What a name may hold, and how it is kept."""

import pytest

from keys.names import tidy_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ann", "ann"),
        ("  the   intern\u00a0 of\u3000film ", "the intern of film"),
        ("O\u0308zil", "\u00d6zil"),
        ("\u5f71\u7247 \u0641\u064a\u0644\u0645 \U0001f3ac", "\u5f71\u7247 \u0641\u064a\u0644\u0645 \U0001f3ac"),
        ("x" * 100, "x" * 100),
        (" " * 90 + "x" * 100, "x" * 100),
        ("o\u0308" * 100, "\u00f6" * 100),
        ("<b>&\"'", "<b>&\"'"),
    ],
)
def test_a_name_is_kept_composed_and_with_single_spaces(given, kept):
    assert tidy_name(given) == kept


@pytest.mark.parametrize("given", ["", "   ", "\u00a0\u3000", "x" * 101, "x " * 51, "a" + "\u0315\u0300" * 100_000])
def test_a_name_has_1_to_100_characters(given):
    with pytest.raises(ValueError, match="must have 1 to 100 characters"):
        tidy_name(given)


@pytest.mark.parametrize(
    "character",
    [
        "\0", "\x07", "\x1b", "\x7f", "\x9f", "\n", "\t", "\u00ad", "\u200b", "\u200e", "\u202e", "\u2066", "\u2028", "\ufeff",
        "\u3164", "\u2800", "\u034f", "\ufe0f", "\u180b", "\u17b4", "\ud800", "\ue000", "\U000e0041", "\uffff",
    ],
)  # fmt: skip
def test_a_character_that_nobody_sees_is_refused_by_its_number(character):
    with pytest.raises(ValueError, match=rf"holds the character U\+{ord(character):04X}"):
        tidy_name(f"ann{character}a")
