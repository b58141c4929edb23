"""When and from where keys were last used: noted in Redis with each call, written to the database now and then."""

from ipaddress import ip_address

from django.db.models import Q

from keys import limits, rates


def write_last_uses() -> None:
    """Write the newest use of each key that was used since the last time.

    Raises:
        redis.RedisError: Redis does not answer. What it has noted is written the next time.
    """
    for use in rates.take_last_uses():
        older = Q(last_used_at=None) | Q(last_used_at__lt=use.at)
        limits.rows_of(use.caller).filter(older).update(last_used_at=use.at, last_used_from=_address(use.address))
    rates.forget_taken()


def _address(text: str) -> str | None:
    """Without its zone, which no column takes; None for what is no address, such as the empty one of a caller at a socket file."""
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None
