"""Characters that nobody sees, in one list: names refuse them, and prompts are read without them."""

import re

# What Unicode calls default-ignorable, whatever its category: joiners, fillers, selectors of variants, tags. Python's tables lack
# that property (DerivedCoreProperties.txt).
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Format characters (Cf) of any script, and control characters (Cc) that are no white space, which are not in that list already. They are
# written down: to ask Python's tables for them took each process that starts 40 ms. tests/api/test_unseen.py walks through those tables.
_BY_CATEGORY = (
    "\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
)
_BLANK = "\u2800"  # a Braille cell without a dot: a symbol by category

_unseen = re.compile(f"[{_IGNORABLE}{_BLANK}{_BY_CATEGORY}]+")


def without_unseen(text: str) -> str:
    """The text without what nobody sees. White space stays: it parts words."""
    return _unseen.sub("", text)


def holds_unseen(character: str) -> bool:
    """Whether it is a character that nobody sees."""
    return _unseen.match(character) is not None


def is_blank(text: str) -> bool:
    """Whether nothing of it is seen."""
    return not without_unseen(text).strip()
