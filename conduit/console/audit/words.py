"""The audit's names in words for people."""

from functools import lru_cache

from django.apps import apps
from django.db.models import Model

from keys import audit

# What is no model.
_OTHER_KINDS = {"command": "command", "process": "process", "address": "address", "unknown account": "unknown account"}
_PAST = {
    "create": "created", "change": "changed", "delete": "deleted", "rotate": "rotated the secret of", "cancel": "cancelled",
    "retry": "retried", "pause": "paused", "resume": "resumed", "refund": "refunded", "credit": "credited", "adjustment": "adjusted",
    "set password": "set the password of", "log in": "logged in", "log out": "logged out", "fail to log in": "failed to log in as",
    "cancel many": "cancelled many tasks by", "retry many": "retried many tasks by",
    "delete many": "deleted videos and prompts of many tasks by", "stop": "stopped",
    "save search": "saved for everybody", "share search no more": "shares no more", "use recovery code": "used a recovery code of",
    "set up second factor": "set up a second factor of", "renew second factor": "renewed the second factor of",
    "make recovery codes": "made recovery codes of", "remove second factor": "took away the second factor of",
    "lock": "locked", "unlock": "unlocked", "run": "ran", "forget": "forgot", "accept loss": "accepted the loss of",
    "upload bill": "uploaded", "loss is less": "takes as accepted only the smaller loss of", "test": "tested",
    "seal anew": "sealed anew the key of", "delete media": "deleted the video and prompt of",
    "reconcile": "said what became of an order of", "enable": "enabled", "disable": "disabled", "send again": "sent webhooks again to",
    "rotate_webhook_secret": "rotated the webhook secret of", "remove_orphans": "removed files that no row names from",
    "end client tokens": "ended the client tokens of", "drain": "drains", "end drain": "drains no more",
    "ask": "asked", "after restore": "put things in order after a restore of the",
}  # fmt: skip


def action_in_words(action: str) -> str:
    """As the past of what somebody did; of one that has no such word here its own."""
    return _PAST.get(action, action)


def kind_in_words(kind: str) -> str:
    """Such as `virtual key` of `key`."""
    model = model_of(kind)
    return str(model._meta.verbose_name) if model else _OTHER_KINDS.get(kind, kind.replace("_", " "))


def model_of(kind: str) -> type[Model] | None:
    """The model whose rows are told as `kind:…`; None where that is no model, or no more."""
    return _models().get(kind)


@lru_cache
def _models() -> dict[str, type[Model]]:
    return {audit.kind_of(model): model for model in apps.get_models()}
