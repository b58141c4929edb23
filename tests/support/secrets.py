"""Secrets as an answer holds them."""

import re
from typing import Any


def secrets_on(answer: Any) -> list[str]:
    """Those of virtual and management keys on a page, each once."""
    return list(dict.fromkeys(re.findall(r"condt_(?:admin_)?[\w-]{43}", answer.content.decode())))
