"""Names that people give to keys and teams: what looks alike is alike, and what is there is seen."""

import unicodedata

NAME_CHARACTERS = 100
# Control characters, invisible ones and those that turn the direction of text, line and paragraph ends, halves of a
# surrogate pair, private and unassigned characters.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})
# Letters and symbols by category, and blank all the same: Hangul fillers, an empty Braille cell, the grapheme joiner.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")


def tidy_name(text: str) -> str:
    """The name in Unicode's composed form (NFC), with single spaces inside and none around.

    Raises:
        ValueError: it is empty, too long, or holds what nobody sees. The message is a rule, such as "must have …".
    """
    composed = unicodedata.normalize("NFC", text.strip())
    for character in composed:
        if unicodedata.category(character) in _UNSEEN_CATEGORIES or character in _UNSEEN:
            raise ValueError(f"holds the character U+{ord(character):04X}, which nobody sees: leave it out")
    name = " ".join(composed.split())
    if not 0 < len(name) <= NAME_CHARACTERS:
        raise ValueError(f"must have 1 to {NAME_CHARACTERS} characters")
    return name
