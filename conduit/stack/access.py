"""The demo's own key and login, made once and kept in CONDUIT_HOME for their owner alone."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

from conduit import clock
from conduit.stack.files import write_private
from keys import audit
from keys.models import VirtualKey
from keys.services import create_key, find_key

USERNAME = "demo"


@dataclass(frozen=True)
class DemoAccess:
    key: str
    username: str
    password: str


def demo_access(path: Path) -> DemoAccess:
    """The key and login kept at `path`; what the database does not know (any more) is made anew."""
    kept = _read(path)
    key = kept.key if kept and _is_valid(find_key(kept.key)) else create_key(name="demo")[1]
    password = kept.password if kept and _logs_in(kept.password) else _new_password()
    access = DemoAccess(key=key, username=USERNAME, password=password)
    if access != kept:
        write_private(path, json.dumps(asdict(access), indent=2) + "\n")
    return access


def _read(path: Path) -> DemoAccess | None:
    """What was kept, or None when there is nothing or it is not ours."""
    try:
        return DemoAccess(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _is_valid(key: VirtualKey | None) -> bool:
    return key is not None and key.enabled and (key.expires_at is None or key.expires_at > clock.now())


def _logs_in(password: str) -> bool:
    user = get_user_model().objects.filter(username=USERNAME, is_active=True, is_superuser=True).first()
    return user is not None and user.check_password(password)


def _new_password() -> str:
    password = secrets.token_urlsafe(12)
    users = get_user_model().objects
    with transaction.atomic():
        for former in users.filter(username=USERNAME):
            audit.record(action="delete", target=former)
            former.delete()
        audit.record(action="create", target=users.create_superuser(username=USERNAME, password=password), is_superuser=True)
    return password
