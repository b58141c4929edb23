"""How requests come in: all that knows daphne, twisted and autobahn, and Django's handler."""
