"""Characters that nobody sees, in one list: names refuse them, and prompts are read without them."""

import re
import unicodedata
from functools import cache

# What Unicode calls default-ignorable, whatever its category: joiners, fillers, selectors of variants, tags. Python's tables lack
# that property (DerivedCoreProperties.txt).
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_BLANK = "\u2800"  # a Braille cell without a dot: a symbol by category


@cache
def _unseen() -> re.Pattern[str]:
    """Made for the first who asks: a twentieth of a second, which most processes never need."""
    # Format characters (Cf) of any script, and control characters (Cc) that are no white space; those beyond the first two planes
    # are in the list above.
    by_category = "".join(
        re.escape(character)
        for character in map(chr, range(0x20000))
        if unicodedata.category(character) == "Cf" or (unicodedata.category(character) == "Cc" and not character.isspace())
    )
    return re.compile(f"[{_IGNORABLE}{_BLANK}{by_category}]+")


def without_unseen(text: str) -> str:
    """The text without what nobody sees. White space stays: it parts words."""
    return _unseen().sub("", text)


def holds_unseen(character: str) -> bool:
    """Whether it is a character that nobody sees."""
    return _unseen().match(character) is not None


def is_blank(text: str) -> bool:
    """Whether nothing of it is seen."""
    return not without_unseen(text).strip()
