"""A second database in place of the tests' own."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, connections
from django.db.utils import load_backend


@contextmanager
def in_place_of_ours(place: str) -> Iterator[None]:
    """What is done in here is done in the database of that name, or that file of SQLite."""
    ours = connections["default"]
    other = load_backend(ours.settings_dict["ENGINE"]).DatabaseWrapper(ours.settings_dict | {"NAME": place}, "default")
    connections["default"] = other
    try:
        yield
    finally:
        other.close()
        connections["default"] = ours


@contextmanager
def empty_database(folder: Path) -> Iterator[None]:
    """What changes the schema is done in here in a database that holds nothing yet, and that is gone afterwards.

    Only for tests outside of a transaction (`transaction=True`).
    """
    on_sqlite = connection.vendor == "sqlite"
    name = f"other_{uuid.uuid4().hex}"  # other workers' tests are on the same server
    if not on_sqlite:
        _execute(f"CREATE DATABASE {name}")
    try:
        with in_place_of_ours(str(folder / f"{name}.sqlite3") if on_sqlite else name):
            yield
    finally:
        if not on_sqlite:
            _execute(f"DROP DATABASE {name}")


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
