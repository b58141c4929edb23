"""What the API's document says of keys, budgets and usage (conduit.api.openapi)."""

from keys.openapi import management, own  # noqa: F401 - they describe their calls
