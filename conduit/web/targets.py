"""What a request is for. Rules about paths, logs, the hub, sockets and Django all read the one path that this makes."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from conduit.api.errors import InvalidRequest

# A whole address as the target (RFC 9112, 3.2.2), without a user in it.
_ABSOLUTE = re.compile(rb"(?:http|ws)s?://(?P<host>[^/?#@]+)(?P<path>/.*)?", re.IGNORECASE)
# A proxy that guards paths in front of us may read these as they are, where we would read a slash.
_AMBIGUOUS = re.compile(rb"%(?:2f|5c)|\\", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def with_one_path(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The scope with its path decoded once, without a root path, and with the host that its target names, if it names one.

    Slashes are not merged and dots lead nowhere: `//v1/models` and `/v1/../admin/` are paths that nothing answers.

    Raises:
        InvalidRequest: it cannot be read, or can be read in two ways.
    """
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    headers = scope["headers"]
    if whole := _ABSOLUTE.fullmatch(raw):
        raw = whole["path"] or b"/"
        headers = [(name, value) for name, value in headers if name != b"host"] + [(b"host", whole["host"])]
    return {**scope, "path": _decoded(raw), "raw_path": raw, "root_path": "", "headers": headers}


def _decoded(raw: bytes) -> str:
    if not raw.startswith(b"/") and raw != b"*":
        raise InvalidRequest("The request's target is no path.")
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The path is not UTF-8.") from None
    if _AMBIGUOUS.search(raw) or _CONTROL.search(path):
        raise InvalidRequest("The path holds an encoded slash, a backslash or a control character.")
    return path
