"""`run`, by the name that it had first."""

from conduit.stack.management.commands.run import Command

__all__ = ["Command"]
