"""How the console writes moments: to the second, in UTC, and saying so."""

from datetime import UTC, datetime


def day_and_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def time_of_day(moment: datetime) -> str:
    """Where the day is told elsewhere, or is today."""
    return f"{moment.astimezone(UTC):%H:%M:%S} UTC"
