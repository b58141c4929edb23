"""The test's own database and Redis, for processes that a test starts."""

from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection


def database_url(port: int | None = None) -> str:
    """`port`: of whatever stands between, such as a relay, in place of the server's own."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{port or database['PORT']}/{database['NAME']}"


def redis_url(port: int) -> str:
    """Of the tests' Redis, by way of whatever listens there."""
    url: str = settings.REDIS_URL
    return url.replace(f":{urlsplit(settings.REDIS_URL).port}/", f":{port}/")
