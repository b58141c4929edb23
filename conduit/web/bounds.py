"""What clients may take of a web process before it is known who they are, and how slowly they may send."""

from dataclasses import dataclass

from conduit.env import NamedEnv


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times in seconds."""

    headers_seconds: float
    body_seconds: float
    least_bytes_per_second: float
    connections_per_address: int
    unknown_secrets_per_minute: int


def bounds_from(env: NamedEnv) -> Bounds:
    """Raises ImproperlyConfigured, naming the variable that is no number above 0."""
    return Bounds(
        # A request's headers are whole after so long, and its body after so long again; no browser or proxy takes as long.
        headers_seconds=env.positive("HEADERS_SECONDS", default=15),
        body_seconds=env.positive("BODY_SECONDS", default=120),
        # After five seconds of either: less is a client that holds a connection and not one that is slow.
        least_bytes_per_second=env.positive("LEAST_BYTES_PER_SECOND", default=256),
        # Connections of one address that have shown no key and no login; more close the oldest of them that is idle.
        connections_per_address=max(1, round(env.positive("CONNECTIONS_PER_ADDRESS", default=500))),
        # Secrets that open nothing, of one address; then only those are looked up that were good within the last day.
        unknown_secrets_per_minute=max(1, round(env.positive("UNKNOWN_SECRETS_PER_MINUTE", default=30))),
    )
