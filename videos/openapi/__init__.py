"""What the API's document says of videos (conduit.api.openapi)."""

from videos.openapi import accounts, files, generations, hub, lost_orders, models, openai  # noqa: F401 - they describe their calls
