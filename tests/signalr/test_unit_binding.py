"""What a client gives, as what a hub's method asks for."""

import enum
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import pytest

from conduit.signalr import Hub, hub_method
from conduit.signalr.binding import Unfit, fitted
from conduit.signalr.hubs import Method, method_of


class Size(enum.Enum):
    SMALL = "small"


@dataclass
class Wish:
    prompt: str
    seconds: int = 6
    size: Size = Size.SMALL


@pytest.mark.parametrize(
    ("value", "wanted", "result"),
    [
        (1, Any, 1),
        (1, int, 1),
        (1, float, 1.0),
        (True, bool, True),
        ("a", str, "a"),
        (None, None, None),
        (None, str | None, None),
        ("a", int | str, "a"),
        ([1, 2], list[int], [1, 2]),
        ([1, "a"], tuple[int, str], (1, "a")),
        ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ({"a": []}, dict, {"a": []}),
        ("small", Size, Size.SMALL),
        ("b", Literal["a", "b"], "b"),
        ("/wA=", bytes, b"\xff\x00"),
        (b"\xff", bytes, b"\xff"),
        ("2026-01-02T03:04:00+00:00", datetime, datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ("00000000-0000-0000-0000-000000000005", UUID, UUID(int=5)),
        ({"prompt": "a cat", "size": "small", "unknown": 1}, Wish, Wish("a cat")),
    ],
)
def test_a_value_becomes_what_is_asked_for(value: Any, wanted: Any, result: Any) -> None:
    made = fitted(value, wanted)
    assert made == result
    assert type(made) is type(result)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("1", int),
        (True, int),
        (1.0, int),
        (1, bool),
        (True, float),
        (1, str),
        (None, str),
        (1, str | None),
        ("ab", list[str]),
        ([1, "a"], list[int]),
        ([1], tuple[int, int]),
        ({"a": "b"}, dict[str, int]),
        ([], dict),
        ("large", Size),
        (["small"], Size),
        (True, Literal[1]),
        ("not base64!", bytes),
        ("yesterday", datetime),
        ("5", UUID),
        ({}, Wish),
        ({"prompt": 5}, Wish),
        ("a cat", Wish),
    ],
)
def test_a_value_that_is_something_else_is_unfit(value: Any, wanted: Any) -> None:
    with pytest.raises(Unfit):
        fitted(value, wanted)


class Shop(Hub):
    @hub_method
    async def order_one(self, name: str, count: int = 1) -> None:
        """Answers nothing."""

    @hub_method("Prices")
    async def all_prices(self) -> AsyncIterator[int]:
        yield 1

    @hub_method
    async def add_up(self, start: int, numbers: AsyncIterator[int]) -> int:
        return start + sum([number async for number in numbers])

    async def secret(self) -> None:
        """Not for clients."""


def shop_method(target: str) -> Method:
    method = method_of(Shop(None), target)  # type: ignore[arg-type]
    assert method is not None
    return method


def stream(name: str) -> Callable[[Any], AsyncIterator[Any]]:
    return lambda wanted: (name, wanted)  # type: ignore[return-value]


@pytest.mark.parametrize("target", ["OrderOne", "orderOne", "order_one", "ORDERONE"])
def test_a_method_is_found_whatever_the_case_of_its_name(target: str) -> None:
    assert shop_method(target).function is Shop.order_one


@pytest.mark.parametrize("target", ["secret", "on_connected", "__init__", "", "Orders", "all_prices"])
def test_only_what_is_marked_may_be_invoked(target: str) -> None:
    assert method_of(Shop(None), target) is None  # type: ignore[arg-type]


def test_a_method_tells_whether_it_streams_and_how_many_streams_it_reads() -> None:
    assert (shop_method("Prices").streams, shop_method("OrderOne").streams) == (True, False)
    assert (shop_method("AddUp").reads, shop_method("OrderOne").reads) == (1, 0)


def test_arguments_are_bound_by_their_places_and_the_last_may_be_left_out() -> None:
    assert shop_method("OrderOne").bind(["tea"], []) == {"name": "tea"}
    assert shop_method("OrderOne").bind(["tea", 2], []) == {"name": "tea", "count": 2}


def test_a_clients_streams_are_bound_to_the_parameters_that_are_streams() -> None:
    assert shop_method("AddUp").bind([1], [stream("7")]) == {"start": 1, "numbers": ("7", int)}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "0 arguments were given, and 2 are expected."),
        (["tea", 1, 2], "3 arguments were given, and 2 are expected."),
        (["tea", "two"], "`count` is not what is asked for."),
    ],
)
def test_too_few_too_many_and_foreign_arguments_are_unfit(arguments: list[Any], why: str) -> None:
    with pytest.raises(Unfit) as unfit:
        shop_method("OrderOne").bind(arguments, [])
    assert str(unfit.value) == why
