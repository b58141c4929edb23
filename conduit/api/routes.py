"""Which of the place's routes a path is: few names, whatever clients invent."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

# What is below them is for people, or files of theirs: one name each.
_WHOLE = {"admin": "/admin/", "static": "/static/", "media": "/media/{task_id}/{name}", "callbacks": "/callbacks/"}
OTHER = "other"
_PARAMETER = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")
# In a node, beside segments, which are texts: any segment, any that are left, and the route that ends here.
_ANY, _REST, _NAME = 0, 1, 2

_added: list[str] = []
Node = dict[str | int, Any]


def add(*paths: str) -> None:
    """Routes that Django does not know."""
    _added.extend(paths)
    _tree.cache_clear()


def route_of(path: str) -> str:
    """Such as `/v1/tasks/{task_id}`; `other` for what is none of ours."""
    segments = path.strip("/").split("/")
    if whole := _WHOLE.get(segments[0]):
        return whole
    node: Node | None = _tree()
    for segment in segments:
        if node is None:
            return OTHER
        if (following := node.get(segment) or node.get(_ANY)) is None:
            return str(node.get(_REST, OTHER))
        node = following
    return str(node.get(_NAME, OTHER)) if node else OTHER


@lru_cache(1)
def _tree() -> Node:
    tree: Node = {}
    for route in (*_routes(get_resolver().url_patterns), *(path.lstrip("/") for path in _added)):
        _plant(tree, route)
    return tree


def _routes(patterns: list[Any], root: str = "") -> Iterator[str]:
    for pattern in patterns:
        if not isinstance(pattern.pattern, RoutePattern):
            continue
        route = f"{root}{pattern.pattern}"
        if isinstance(pattern, URLResolver) and not route.startswith("admin/"):
            yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def _plant(tree: Node, route: str) -> None:
    name = "/" + _PARAMETER.sub(r"{\g<name>}", route)
    for segment in route.strip("/").split("/"):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter and parameter["converter"] == "path":
            tree[_REST] = name
            return
        tree = tree.setdefault(_ANY if parameter else segment, {})
    tree[_NAME] = name
