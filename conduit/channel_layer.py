"""The channel layer, with connections that are known to listen."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection

from conduit.streams.cancelling import heeding
from conduit.streams.lasting import lasting

logger = logging.getLogger(__name__)

# How often a connection that only listens is asked whether it still can (seconds); one that did not answer until the next time is
# made anew. A process that only waits for messages never finds out by itself that none can come.
ASK_SECONDS = 2.0


class ChannelLayer(RedisPubSubChannelLayer):
    """channels_redis's own otherwise."""

    def _get_layer(self) -> Any:
        layer = super()._get_layer()
        if not all(isinstance(shard, _Shard) for shard in layer._shards):
            layer._shards = [_Shard(shard.host, layer) for shard in layer._shards]
        return layer

    async def send_to_groups(self, messages: Sequence[tuple[str, Callable[[], dict[str, Any]]]]) -> None:
        """Each message to its group, in their order, in two trips however many there are: those that nobody would hear are not made.

        A process that joins a group only now, and then reads what there is, finds it there.
        """
        layer = self._get_layer()
        of_shard: dict[Any, list[tuple[str, Callable[[], dict[str, Any]]]]] = {}
        for group, make in messages:
            channel = layer._get_group_channel_name(group)
            of_shard.setdefault(layer._get_shard(channel), []).append((channel, make))
        for shard, wanted in of_shard.items():
            heard = await shard.heard({channel for channel, _ in wanted})
            if sent := [(channel, self.serialize(make())) for channel, make in wanted if channel in heard]:
                await shard.publish_all(sent)


class _Shard(RedisSingleShardConnection):
    _was_heard = True

    async def heard(self, channels: Collection[str]) -> set[str]:
        """Those of these channels that anybody listens to, in any process."""
        async with self._lock:
            self._ensure_redis()
            counted = await self._redis.pubsub_numsub(*channels)
        return {channel.decode() if isinstance(channel, bytes) else channel for channel, listeners in counted if listeners}

    async def publish_all(self, sent: Sequence[tuple[str, bytes]]) -> None:
        async with self._lock:
            self._ensure_redis()
            pipeline = self._redis.pipeline(transaction=False)
            for channel, message in sent:
                pipeline.publish(channel, message)
            await pipeline.execute()

    async def _do_receiving(self) -> None:
        asking = lasting(self._ask_for_ever())
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
                continue  # the next receive makes another
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    if self._was_heard:
                        self._was_heard = False
                        await heeding(self._pubsub.ping())
                    else:
                        self._was_heard = True
                        logger.info("the channel layer's connection went silent: making another")
                        await connection.disconnect()
            except Exception as error:  # noqa: BLE001 - Redis is away, which a receive finds out too
                logger.info("the channel layer's connection could not be asked (%s)", type(error).__name__)
