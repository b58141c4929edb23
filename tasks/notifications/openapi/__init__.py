"""What the API's document says of webhooks (conduit.api.openapi)."""

from tasks.notifications.openapi import endpoints, log  # noqa: F401 - they describe their calls
