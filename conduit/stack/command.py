"""What `manage.py stack` and `manage.py demo` share: signals, the environment, and errors as one clear line."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.core.management.sql import emit_post_migrate_signal
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from conduit.checks import refuse_unsafe_start
from conduit.stack.environment import claim
from conduit.stack.errors import CannotStart, DemoFailed
from conduit.stack.lifeline import die_with_parent
from conduit.stack.stack import Plan, Stack, Stopped

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StackCommand(BaseCommand):
    """Runs `during` while a stack runs; Ctrl-C, SIGTERM and SIGHUP end both and exit with 0."""

    # Only what forbids a start is asked, below: the rest is for `manage.py check`.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--die-with-parent", action="store_true", help="stop when the process that started this one ends (make does)")

    def handle(self, *args: Any, die_with_parent: bool, **options: Any) -> None:
        claim()
        refuse_unsafe_start()
        run(_plan(), self.during, say=self.say, with_parent=die_with_parent)

    def say(self, line: str) -> None:
        # A terminal that was closed must not keep the stack from stopping well.
        with suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()

    def during(self, stack: Stack) -> None:
        """What happens while the stack runs; the stack stops when this returns."""
        raise NotImplementedError


def run(plan: Plan, during: Callable[[Stack], object], *, say: Callable[[str], object], with_parent: bool = False) -> None:
    """Run a stack, and `during` in it. SystemExit(1), with the reason on standard error, when it cannot start or `during` says so."""
    try:
        stack = Stack(plan, say=say)
        for number in _STOP_SIGNALS:
            signal.signal(number, stack.request_stop)
        if with_parent:
            die_with_parent(deadly=signal.SIGTERM)
        with stack:
            during(stack)
    except Stopped:
        say("Stopped.")
    except (CannotStart, DemoFailed) as reason:
        sys.exit(f"conduit: {reason}")


def _plan() -> Plan:
    host = urlsplit(settings.PUBLIC_URL).netloc
    return Plan(home=settings.CONDUIT_HOME, environment=os.environ, is_prepared=_is_migrated, host_header=host)


def _is_migrated() -> bool:
    """Whether no migration is to be applied: looked at here, it takes a fraction of the processor time of a process of its own.

    What `migrate` does behind them (rights, roles) is done: roles change without one, and a `migrate` that was killed did not come to it.
    """
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        emit_post_migrate_signal(verbosity=0, interactive=False, db=DEFAULT_DB_ALIAS)
        return True
    except DatabaseError:  # what is wrong is said by `migrate`
        return False
    finally:
        connection.close()
