"""What no prompt may hold: the terms that administrators list."""

import re
import unicodedata

from conduit.api.errors import ContentPolicyViolation
from videos.models import BlockedTerm

# Letters and digits; an underscore parts words here.
_IN_WORDS = r"[^\W_]"
# Thai to Khmer, kana, Han: scripts that put no spaces between words, where a term may begin and end anywhere.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def check_prompt(prompt: str) -> None:
    """Refuse a prompt that holds a listed term as whole words, whatever its case, width or spacing.

    Raises:
        ContentPolicyViolation: without naming the term, which would teach how to get around it.
    """
    text = _plain(prompt)
    terms = [_plain(term) for term in BlockedTerm.objects.values_list("term", flat=True)]
    if any(re.search(_as_whole_words(term), text) for term in terms if term):
        raise ContentPolicyViolation("This prompt is against the content policy. Please describe something else.", param="prompt")


def _as_whole_words(term: str) -> str:
    before = "" if _UNSPACED.match(term[0]) else rf"(?<!{_IN_WORDS})"
    after = "" if _UNSPACED.match(term[-1]) else rf"(?!{_IN_WORDS})"
    return f"{before}{re.escape(term)}{after}"


def _plain(text: str) -> str:
    """Compatibility forms, case and white space folded; invisible characters dropped."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(character for character in folded if unicodedata.category(character) != "Cf").split())
