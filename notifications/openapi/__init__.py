"""What the API's document says of webhooks (conduit.api.openapi)."""

from notifications.openapi import endpoints, log  # noqa: F401 - they describe their calls
