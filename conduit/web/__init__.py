"""How requests come in: all that knows daphne, twisted and autobahn, and Django's handler. Only back pressure, which streams need
below this room, stands beside it (conduit.flow)."""
