"""What no prompt may hold: the terms that administrators list."""

import re
import unicodedata
from functools import cache, lru_cache
from os.path import commonprefix

from conduit.api.errors import ContentPolicyViolation
from conduit.api.unseen import without_unseen
from videos.models import BlockedTerm

# Letters and digits; an underscore parts words here.
_IN_WORDS = r"[^\W_]"
# Thai to Khmer, kana, Han: scripts that put no spaces between words, where a term may begin and end anywhere.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Accents, dots and strokes that go on letters of any script. Vowel signs and points, which make other words, are none of them.
_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")


@cache
def _piled() -> re.Pattern[str]:
    """Whatever else is put on a letter: sorting thousands of them takes the square of their number."""
    marks = "".join(c for c in map(chr, range(0x20000)) if unicodedata.combining(c))
    return re.compile(f"([{marks}]{{8}})[{marks}]+")


# Branches inside branches of a pattern: Python compiles some hundred, and words part long before that.
_DEPTH_MAX = 50


def blocked_terms() -> re.Pattern[str] | None:
    """What finds the terms of now in a prompt; None when there are none."""
    return _any_of(tuple(BlockedTerm.objects.order_by("term").values_list("term", flat=True)))


def check_prompt(prompt: str, blocked: re.Pattern[str] | None) -> None:
    """Refuse a prompt that holds a blocked term as whole words, whatever its case, width or spacing, and whatever unseen is inside.

    It is read twice: with the marks that were typed after a letter, and without them, so that none can break up a word. A letter
    that has its accent in one character is another letter: ñ is no n.

    Raises:
        ContentPolicyViolation: without naming the term, which would teach how to get around it.
    """
    if blocked and any(blocked.search(reading) for reading in {_plain(prompt), _plain(_MARKS.sub("", prompt))}):
        raise ContentPolicyViolation("This prompt is against the content policy. Please describe something else.", param="prompt")


@lru_cache(maxsize=4)
def _any_of(terms: tuple[str, ...]) -> re.Pattern[str] | None:
    """Finds any of the terms as whole words in one pass; None when there is nothing to find."""
    by_ends: dict[tuple[str, str], list[str]] = {}
    for term in filter(None, map(_plain, terms)):
        before = "" if _UNSPACED.match(term[0]) else rf"(?<!{_IN_WORDS})"
        after = "" if _UNSPACED.match(term[-1]) else rf"(?!{_IN_WORDS})"
        by_ends.setdefault((before, after), []).append(term)
    whole = [f"{before}{_tree_of(words)}{after}" for (before, after), words in by_ends.items()]
    return re.compile("|".join(whole)) if whole else None


def _tree_of(words: list[str], depth: int = 0) -> str:
    """A pattern of these words that reads each character once, however many there are: common beginnings are shared."""
    shared = commonprefix(words)  # noqa: RUF071 - of characters, as is meant here
    tails: dict[str, list[str]] = {}
    for word in words:
        tail = word[len(shared) :]
        tails.setdefault(tail[:1], []).append(tail)
    if len(words) == 1 or depth == _DEPTH_MAX:
        return "(?:{})".format("|".join(map(re.escape, words)))
    branches = [_tree_of(rest, depth + 1) if first else "" for first, rest in tails.items()]
    return "{}(?:{})".format(re.escape(shared), "|".join(branches))


def _plain(text: str) -> str:
    """Compatibility forms, case and white space folded, without unseen characters. At most 18 characters come of one (U+FDFA)."""
    few_marks = _piled().sub(r"\1", without_unseen(text))
    folded = without_unseen(unicodedata.normalize("NFKC", few_marks).casefold())
    return " ".join(folded.split())
