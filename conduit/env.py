"""Reading settings from the environment. A variable that is empty is unset, whatever it is for."""

import math
import os
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured


class NamedEnv(environ.Env):
    """Says which variable holds a value that cannot be read."""

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False) -> Any:
        """The library's own, but for blanks, which are nothing, and for `$NAME`, which it takes for another variable's value."""
        text = os.environ.get(var, "").strip()
        if not text:
            return default
        try:
            if cast is float:  # the library drops what is no digit, and reads 1e3 as 13
                number = float(text)
                if not math.isfinite(number):
                    raise ValueError("no number")
                return number
            if cast is list:
                return [entry.strip() for entry in text.split(",") if entry.strip()]
            return self.parse_value(text, cast)
        except ValueError:
            kind = "a whole number" if cast is int else "a number"
            raise ImproperlyConfigured(f"{var} is {text!r}: set it to {kind}.") from None

    def bool(self, var: str, default: Any = False) -> bool:
        text = self.str(var, default="").lower()
        if text and text not in (*self.BOOLEAN_TRUE_STRINGS, "false", "off", "no", "n", "0"):
            raise ImproperlyConfigured(f"{var} is {text!r}: set it to 1 or 0.")
        return bool(super().bool(var, default=default))

    def positive(self, var: str, default: float) -> float:
        """A number above zero."""
        if not (number := self.float(var, default=default)) > 0:
            raise ImproperlyConfigured(f"{var} is {number:g}: set it to a number above 0.")
        return float(number)

    def choice(self, var: str, *words: str, default: str) -> str:
        """One of the words."""
        if (word := self.str(var, default=default)) not in words:
            raise ImproperlyConfigured(f"{var} is {word!r}: set it to {', '.join(words[:-1])} or {words[-1]}.")
        return str(word)

    def address(self, var: str, default: str) -> str:
        """An http or https address without its last slash, to which paths are added."""
        address = self.str(var, default=default)
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True) and not parts.query + parts.fragment
        except ValueError:  # a port that is none
            usable = False
        if not usable:
            shown = address.rpartition("@")[2]  # what is before it may be a password
            raise ImproperlyConfigured(f"{var} is {shown!r}: it is https:// (or http://), a host, and neither ? nor #.")
        return str(address).rstrip("/")
