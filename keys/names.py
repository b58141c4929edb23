"""Names that people give to keys and teams: what looks alike is alike, and what is there is seen."""

import unicodedata

from conduit.api.unseen import holds_unseen

NAME_CHARACTERS = 100
# Ends of lines and paragraphs, other control characters, halves of a surrogate pair, private and unassigned characters.
_NO_PART_OF_A_NAME = frozenset({"Cc", "Zl", "Zp", "Cs", "Co", "Cn"})
# What is longer is not even composed: that takes seconds for a hundred thousand accents on one letter. Few letters have more than four.
_TYPED_CHARACTERS = 5 * NAME_CHARACTERS


def tidy_name(text: str) -> str:
    """The name in Unicode's composed form (NFC), with single spaces inside and none around.

    Raises:
        ValueError: it is empty, too long, or holds what nobody sees. The message is a rule, such as "must have …".
    """
    typed = text.strip()
    composed = unicodedata.normalize("NFC", typed) if len(typed) <= _TYPED_CHARACTERS else ""
    for character in composed:
        if unicodedata.category(character) in _NO_PART_OF_A_NAME or holds_unseen(character):
            raise ValueError(f"holds the character U+{ord(character):04X}, which nobody sees: leave it out")
    name = " ".join(composed.split())
    if not 0 < len(name) <= NAME_CHARACTERS:
        raise ValueError(f"must have 1 to {NAME_CHARACTERS} characters")
    return name
