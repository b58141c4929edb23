"""How fast a client and we take what the other sends, for servers whose `send` never waits and that read on and on."""

from collections.abc import Mapping
from typing import Any, Protocol

# Under this name an ASGI scope may hold what finds the gate of its connection. A connection has one, the last that was asked for.
GATE = "conduit.gate"


class Gate(Protocol):
    """Closed while the client does not take what it was sent."""

    @property
    def is_open(self) -> bool: ...

    async def wait_open(self) -> None: ...

    def pause_reading(self) -> None:
        """Take nothing more from the client: what it sends waits at its end."""

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        """Drop the client's connection at once, with whatever it has not taken."""


def gate_of(scope: Mapping[str, Any]) -> Gate | None:
    """The gate of the connection of an ASGI scope; None where `send` itself waits, and when the client has left."""
    find = scope.get(GATE)
    return find() if find else None
