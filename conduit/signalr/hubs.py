"""What an application writes: a class with typed methods, one instance for each connection."""

import functools
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints, overload

from conduit.signalr.binding import Unfit, fitted
from conduit.signalr.messages import Invocation

_MARK = "_signalr_name"

F = TypeVar("F", bound=Callable[..., Any])


class HubException(Exception):
    """Raised by a hub's method: the client is told the text. What any other exception says is only logged."""


def told(text: str, error: BaseException, *, in_detail: bool) -> str:
    """The text, and what went wrong only if that was said deliberately, or the hub tells everything."""
    return f"{text} {type(error).__name__}: {error}" if in_detail or isinstance(error, HubException) else text


class HubConnection(Protocol):
    """What a hub has of its client: `user` is what authenticate returned, `scope` the ASGI scope of the request that opened it."""

    id: str
    user: Any
    scope: Mapping[str, Any]

    def send(self, message: Invocation, *, replaces: Hashable | None = None) -> None: ...

    async def drained(self) -> None: ...

    def close(self, error: str | None = None, *, reconnect: bool = False) -> None: ...

    def come_again(self) -> None: ...

    @property
    def is_open(self) -> bool: ...


class Hub:
    """Lives as long as its connection, in the process that owns it."""

    def __init__(self, connection: HubConnection) -> None:
        self.connection = connection

    async def on_connected(self) -> None:
        """The handshake is done. Nothing is invoked before this returns; an exception closes the connection."""

    async def on_disconnected(self, error: Exception | None) -> None:
        """The connection has ended, by itself or by an error. Its streams and invocations are over."""


@overload
def hub_method(name: F) -> F: ...
@overload
def hub_method(name: str | None = None) -> Callable[[F], F]: ...
def hub_method(name: Any = None) -> Any:
    """Clients may invoke this method: `@hub_method`, or `@hub_method("Name")`.

    Names are compared as .NET does, whatever their case, and without underscores: `subscribe_to` answers to SubscribeTo. An
    async generator is a stream. A parameter annotated `AsyncIterator[T]` is a stream that comes from the client.
    """
    if callable(name):
        setattr(name, _MARK, name.__name__)
        return name

    def mark(function: Any) -> Any:
        setattr(function, _MARK, name or function.__name__)
        return function

    return mark


class Method:
    """One invocable method and what it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.streams = inspect.isasyncgenfunction(function)
        hints = get_type_hints(function)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        wanted = [(one, hints.get(one.name, Any)) for one in parameters]
        self._values = [(one, hint) for one, hint in wanted if not _is_stream(hint)]
        self._needed = sum(one.default is one.empty for one, _ in self._values)
        self._uploads = {one.name: (get_args(hint) or (Any,))[0] for one, hint in wanted if _is_stream(hint)}
        self.reads = len(self._uploads)  # streams of the client's

    def bind(self, arguments: list[Any], uploads: list[Callable[[Any], AsyncIterator[Any]]]) -> dict[str, Any]:
        """The arguments by their names. Unfit when they are too few, too many or of other types.

        Each of `uploads` makes a client's stream, given the type of its items.
        """
        if not self._needed <= len(arguments) <= len(self._values):
            raise Unfit(f"{len(arguments)} arguments were given, and {len(self._values)} are expected.")
        values = {one.name: _argument(one.name, value, hint) for (one, hint), value in zip(self._values, arguments, strict=False)}
        streams = {name: make(item) for (name, item), make in zip(self._uploads.items(), uploads, strict=True)}
        return values | streams


def _argument(name: str, value: Any, hint: Any) -> Any:
    try:
        return fitted(value, hint)
    except Unfit as error:
        raise Unfit(f"`{name}` is not what is asked for.") from error


def _is_stream(hint: Any) -> bool:
    return (get_origin(hint) or hint) in (AsyncIterator, AsyncIterable)


@functools.cache
def _methods(hub: type[Hub]) -> Mapping[str, Method]:
    found = {}
    for attribute in dir(hub):
        function = getattr(hub, attribute)
        if name := getattr(function, _MARK, None):
            found[_comparable(name)] = Method(function)
    return found


def method_of(hub: Hub, target: str) -> Method | None:
    return _methods(type(hub)).get(_comparable(target))  # type: ignore[arg-type]  # mypy takes a class for unhashable


def _comparable(name: str) -> str:
    return name.replace("_", "").lower()
