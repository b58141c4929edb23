"""The list of what nobody sees knows what Python's tables of Unicode know."""

import sys
import unicodedata

import pytest

from conduit.api.unseen import holds_unseen, is_blank, without_unseen


def test_every_format_and_control_character_is_in_the_list_and_nothing_that_is_seen():
    for character in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(character)
        if category == "Cf" or (category == "Cc" and not character.isspace()):
            assert holds_unseen(character), ascii(character)
        elif category in {"Lu", "Ll", "Lt", "Nd", "Nl", "Pd", "Ps", "Pe", "Po", "Sm", "Sc", "Co", "Cs", "Zs"}:
            assert not holds_unseen(character), ascii(character)


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", "\x1c", "\x85", "\u2028"])
def test_white_space_parts_words(space):
    assert without_unseen(f"a{space}\u200bcat") == f"a{space}cat"
    assert is_blank(f"{space}\u200b\u2800")
