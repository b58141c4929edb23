"""What the API's document says of tasks of any kind (conduit.api.openapi)."""

from tasks.openapi import client_tokens, consumer, management, runs, streams  # noqa: F401 - they describe their calls
