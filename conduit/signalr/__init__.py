"""A SignalR server: hubs that the official clients connect to, served by any ASGI server in any number of processes.

Knows no model and no framework: ASGI in, Redis between the processes. README.md shows a hub in ten lines.
"""

from conduit.signalr.connection import Connection
from conduit.signalr.hubs import Hub, HubException, hub_method
from conduit.signalr.messages import Invocation
from conduit.signalr.options import Options, Transport
from conduit.signalr.server import HubServer, Refused

__all__ = ["Connection", "Hub", "HubException", "HubServer", "Invocation", "Options", "Refused", "Transport", "hub_method"]
