"""What the commands that make a key have in common."""

from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.utils import OperationalError, ProgrammingError


def print_secret(command: BaseCommand, make: Callable[[], str]) -> None:
    """Make a key and print its secret, in this order: one that was rolled back is never shown.

    Raises:
        CommandError: the database has no tables yet.
    """
    try:
        with transaction.atomic():
            secret = make()
    except (OperationalError, ProgrammingError) as error:
        if "keys_" not in str(error):
            raise
        raise CommandError("The database has no tables yet: run `make run` or `manage.py migrate` first.") from error
    command.stdout.write(secret)
