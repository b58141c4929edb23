"""Frames of WebSockets go out without work for lines that nobody logs."""

import sys
from collections import Counter

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket import protocol
from daphne.http_protocol import WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.tcp import Port
from twisted.internet.testing import StringTransport
from twisted.web import http

from conduit.web.daphne_patches import patch_daphne

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PATCHED = {
    protocol: ("hltype", "hlval"),
    WebRequest: ("handleContentChunk", "gotLength", "process", "basic_error", "handle_reply"),
    WebSocketProtocol: ("connectionMade", "dataReceived", "serverAccept", "onConnect", "onOpen", "failHandshake"),
    Server: ("create_application",),
    Port: ("doRead",),
    http.HTTPFactory: ("log",),
    http.HTTPChannel: ("_respondToBadRequestAndDisconnect", "lineLengthExceeded"),
}


def test_sending_a_frame_colors_no_text(monkeypatch):
    # As they were, after the test.
    for owner, names in PATCHED.items():
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(WebRequest, "_parsePOSTFormSubmission", None, raising=False)
    monkeypatch.setattr(http, "RESPONSES", dict(http.RESPONSES))
    patch_daphne(body_bytes=1000)
    factory = WebSocketServerFactory("ws://127.0.0.1:1")
    factory.protocol = WebSocketServerProtocol
    socket = factory.buildProtocol(None)
    wire = StringTransport()
    socket.makeConnection(wire)
    socket.dataReceived(UPGRADE)
    assert wire.value().startswith(b"HTTP/1.1 101 ")
    wire.clear()
    called: Counter[str] = Counter()

    sys.setprofile(lambda frame, event, _: called.update([frame.f_code.co_filename]) if event == "call" else None)
    try:
        socket.sendMessage(b"hello")
    finally:
        sys.setprofile(None)

    assert wire.value() == b"\x81\x05hello"
    assert not [name for name in called if name.endswith("autobahn/util.py")]
