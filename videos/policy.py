"""What no prompt may hold: the terms that administrators list."""

import re
import unicodedata

from conduit.api.errors import ContentPolicyViolation
from videos.models import BlockedTerm


def check_prompt(prompt: str) -> None:
    """Refuse a prompt that holds a listed term as whole words, whatever its case, width or spacing.

    Raises:
        ContentPolicyViolation: without naming the term, which would teach how to get around it.
    """
    text = _plain(prompt)
    terms = [_plain(term) for term in BlockedTerm.objects.values_list("term", flat=True)]
    if any(re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text) for term in terms if term):
        raise ContentPolicyViolation("This prompt is against the content policy. Please describe something else.", param="prompt")


def _plain(text: str) -> str:
    """Compatibility forms, case and white space folded; invisible characters dropped."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(character for character in folded if unicodedata.category(character) != "Cf").split())
