"""What happens to a video right now, as its task's `stage` says it."""

from enum import StrEnum

from tasks import models as tasks


class Stage(StrEnum):
    PREPARING = "preparing"  # MiniMax has accepted it
    WAITING_AT_PROVIDER = "waiting_at_provider"  # and queues it
    GENERATING = "generating"
    DOWNLOADING = "downloading"
    ASSEMBLING = "assembling"

    PAUSED = tasks.PAUSED  # an administrator has stopped what it needs next
    WAITING_FOR_RATE_LIMIT = "waiting_for_rate_limit"
    WAITING_FOR_PROVIDER = "waiting_for_provider"  # it cannot be reached, or answers with errors
    WAITING_FOR_PROVIDER_KEY = "waiting_for_provider_key"
    WAITING_FOR_PROVIDER_BALANCE = "waiting_for_provider_balance"
    WAITING_FOR_STORAGE = "waiting_for_storage"
    RECONCILING = "reconciling"  # the answer to a create was lost: whether MiniMax took it is being found out


# What a task waits for, as the API's `waiting_for` says it; at other stages it waits for nothing, or is being made.
WAITS: dict[str, str] = {
    Stage.PAUSED: "pause",
    Stage.WAITING_FOR_RATE_LIMIT: "rate",
    Stage.WAITING_FOR_PROVIDER: "provider",
    Stage.WAITING_FOR_PROVIDER_KEY: "account",
    Stage.WAITING_FOR_PROVIDER_BALANCE: "account",
    Stage.WAITING_FOR_STORAGE: "storage",
    Stage.RECONCILING: "operator",
}
