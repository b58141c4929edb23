"""The channel layer, with connections that are known to listen."""

import asyncio
import logging
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection

logger = logging.getLogger(__name__)

# How often a connection that only listens is asked whether it still can (seconds); one that did not answer until the next time is
# made anew. Whoever only waits for messages never finds out by itself that none can come.
ASK_SECONDS = 2.0


class ChannelLayer(RedisPubSubChannelLayer):
    """channels_redis's own otherwise."""

    def _get_layer(self) -> Any:
        layer = super()._get_layer()
        if not all(isinstance(shard, _Shard) for shard in layer._shards):
            layer._shards = [_Shard(shard.host, layer) for shard in layer._shards]
        return layer


class _Shard(RedisSingleShardConnection):
    _was_heard = True

    async def _do_receiving(self) -> None:
        asking = asyncio.create_task(self._ask_for_ever())
        try:
            await super()._do_receiving()
        finally:
            asking.cancel()

    def _receive_message(self, message: Any) -> None:
        if message is not None:
            self._was_heard = True
            if message["type"] != "pong":
                super()._receive_message(message)

    async def _ask_for_ever(self) -> None:
        while True:
            await asyncio.sleep(ASK_SECONDS)
            connection = self._pubsub and self._pubsub.connection
            if connection is None or not connection.is_connected:
                continue  # whoever receives makes another
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    if self._was_heard:
                        self._was_heard = False
                        await self._pubsub.ping()
                    else:
                        self._was_heard = True
                        logger.info("the channel layer's connection went silent: making another")
                        await connection.disconnect()
            except Exception as error:  # noqa: BLE001 - Redis is away, which whoever receives finds out too
                logger.info("the channel layer's connection could not be asked (%s)", type(error).__name__)
