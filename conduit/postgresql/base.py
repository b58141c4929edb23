"""The backend that `ENGINE` names."""

from typing import Any

from django.db.backends.postgresql import base
from django.utils.asyncio import async_unsafe
from psycopg import IsolationLevel

from conduit.postgresql.wire import WatchedConnection


class DatabaseWrapper(base.DatabaseWrapper):
    """Outside of transactions no statement is sent over a connection that is dead: another one takes its place."""

    @property
    def pool(self) -> Any:
        if options := self.settings_dict["OPTIONS"].get("pool"):
            options.setdefault("connection_class", WatchedConnection)
        return super().pool

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.pool:
            self.isolation_level = IsolationLevel.READ_COMMITTED
            return WatchedConnection.connect(**conn_params)
        # Not by the pool's own check: it pauses for seconds between two that are dead, and a restart leaves all of them so.
        while not (connection := super().get_new_connection(conn_params)).lives():
            self.pool.putconn(connection)
        return connection

    def close_if_health_check_failed(self) -> None:
        if self.connection is not None and not self.in_atomic_block and not self.is_usable():
            self.close()

    def is_usable(self) -> bool:
        return self.connection is not None and self.connection.lives()
