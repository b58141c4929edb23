"""TLS before servers that have none, as those of the wheels: what a client hears until it is through is the real protocol."""

import asyncio
import ssl

from tests.support.relay import Relay

_TLS_WANTED = (80877103).to_bytes(4, "big")
_SEND_YOUR_PASSWORD = b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big")


class TlsFront(Relay):
    """A server that is reached by TLS alone, from the first byte on."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(port)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(self._tls)
        await super()._relay(reader, writer)


class PostgresFront(Relay):
    """With `tls` the server behind is reached by TLS alone. Without, nobody is let in: what clients say unencrypted is kept in `heard`."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self.heard = b""
        super().__init__(port)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await reader.readexactly(8)
        if message[4:] != _TLS_WANTED:
            return await self._hear(message, reader, writer)
        writer.write(b"S" if self._tls else b"N")
        await writer.drain()
        if self._tls is None:
            return await self._hear(b"", reader, writer)
        await writer.start_tls(self._tls)
        await super()._relay(reader, writer)

    async def _hear(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += first
        while piece := await reader.read(65536):
            self.heard += piece
            if piece.startswith(b"p"):
                return  # the password: there is no more to hear
            writer.write(_SEND_YOUR_PASSWORD)
