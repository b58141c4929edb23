"""Lists of the console's own pages: numbered pages of bounded length, their order and their search in the address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest

ROWS = 50
TEXT_MAX = 200
# Beyond that nobody pages: a search finds it.
PAGES_MAX = 10_000

Order = Callable[[QuerySet[Any]], QuerySet[Any]]


@dataclass(frozen=True)
class Listing:
    """One page of a list. `rows` are what it shows; addresses are queries of the same page."""

    rows: list[Any]
    count: int  # of all pages
    number: int  # from 1
    order: str
    orders: list[tuple[str, str, bool]]  # name, query, whether it is this one
    query: Mapping[str, str]

    @property
    def first(self) -> int:
        return (self.number - 1) * ROWS + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def before(self) -> str:
        """The query of the page before; empty: there is none."""
        return self._at(self.number - 1) if self.number > 1 else ""

    @property
    def after(self) -> str:
        return self._at(self.number + 1) if self.number * ROWS < self.count else ""

    def _at(self, number: int) -> str:
        return _written({**self.query, "order": self.order, "page": str(number)})


def listing(request: HttpRequest, found: QuerySet[Any], orders: Mapping[str, Order], query: Mapping[str, str]) -> Listing:
    """The page that the address asks for; the first of the orders holds without one. Two queries."""
    order = request.GET.get("order", "")
    order = order if order in orders else next(iter(orders))
    number = _number(request.GET.get("page", ""))
    count = found.count()
    number = max(1, min(number, -(-count // ROWS)))
    rows = list(orders[order](found)[(number - 1) * ROWS : number * ROWS])
    named = [(name, _written({**query, "order": name}), name == order) for name in orders]
    return Listing(rows, count, number, order, named, query)


def text_of(request: HttpRequest, name: str = "q") -> str:
    """What was written into a search, without what no database can look for."""
    return request.GET.get(name, "").replace("\0", "").strip()[:TEXT_MAX]


def _number(text: str) -> int:
    return min(int(text), PAGES_MAX) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _written(query: Mapping[str, str]) -> str:
    return urlencode({name: value for name, value in query.items() if value})
