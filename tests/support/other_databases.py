"""A second, empty database in place of the tests' own, for what changes the schema."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, connections
from django.db.utils import load_backend


@contextmanager
def empty_database(folder: Path) -> Iterator[None]:
    """What is done in here is done in a database that holds nothing yet, and that is gone afterwards.

    Only for tests outside of a transaction (`transaction=True`).
    """
    ours = connections["default"]
    on_sqlite = connection.vendor == "sqlite"
    name = f"other_{uuid.uuid4().hex}"  # other workers' tests are on the same server
    place = str(folder / f"{name}.sqlite3") if on_sqlite else name
    if not on_sqlite:
        with ours.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    other = load_backend(ours.settings_dict["ENGINE"]).DatabaseWrapper(ours.settings_dict | {"NAME": place}, "default")
    connections["default"] = other
    try:
        yield
    finally:
        other.close()
        connections["default"] = ours
        if not on_sqlite:
            with ours.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name}")
