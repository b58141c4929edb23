"""What production refuses to start with, by name."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from ipaddress import collapse_addresses, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

from conduit.database import SERVER_SETTINGS

SECRET_KEY_CHARACTERS_MIN = 32
SECRET_KEY_DIFFERENT_MIN = 8
METRICS_TOKEN_CHARACTERS_MIN = 20
LOGIN_LOCK_SECONDS_MIN = 60
SESSION_IDLE_SECONDS_MAX, SESSION_SECONDS_MAX = 24 * 3600, 30 * 24 * 3600
# Starts of secrets that people copy from examples.
_EXAMPLE_SECRETS = ("django-insecure", "change", "secret", "insecure", "example", "default", "your-")
# Of proxies, by version of IP: the fewest bits of a network (those of the large CDNs have more), and those that the internet has not.
_PROXY_NETWORKS: dict[int, tuple[int, tuple[str, ...]]] = {
    4: (10, ("10.0.0.0/8",)),
    6: (24, ("fc00::/7", "fe80::/10")),
}
# What nobody's host is called, and everybody's ends with.
_TOP_LEVEL = r"(com|net|org|info|biz|edu|gov|mil|int|app|dev|io|ai|[a-z]{2})|(co|com|net|org|edu|gov|ac|or|ne)\.[a-z]{2}"


# Whether there is a key of MiniMax's beside MINIMAX_API_KEY, as the room that keeps some says.
_other_keys: list[Callable[[], bool]] = []


def register_keys(is_there: Callable[[], bool]) -> None:
    _other_keys.append(is_there)


def problems() -> Iterator[str]:
    """One sentence for each unsafe setting of a production environment; none in development."""
    if settings.PRODUCTION:
        yield from _secrets()
        if settings.DEBUG:
            yield "DEBUG is on: it shows internals to every caller that causes an error. Unset DEBUG."
        yield from _hosts()
        yield from _public_url()
        yield from _minimax()
        yield from _trusted_proxies()
        yield from _servers()
        yield from _log_ins()
        yield from _mails()
        if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < METRICS_TOKEN_CHARACTERS_MIN:
            yield f"METRICS_TOKEN is too easy to guess: set it to at least {METRICS_TOKEN_CHARACTERS_MIN} random characters, or unset it."
        if settings.S3_IS_MEANT_BY and not settings.S3_BUCKET:
            meant = settings.S3_IS_MEANT_BY[0]
            yield f"S3_BUCKET is not set and {meant} is: files would stay on each host's disk. Name the bucket, or unset the rest."


def _secrets() -> Iterator[str]:
    secret = _secret_key()
    random = f"at least {SECRET_KEY_CHARACTERS_MIN} random characters"
    if not secret:
        yield "SECRET_KEY is not set: it signs links and sessions. Set it to 50 random characters."
    elif _is_easy_to_guess(secret):
        yield f"SECRET_KEY is a default or too easy to guess: set it to {random}."
    if any(map(_is_easy_to_guess, settings.SECRET_KEY_FALLBACKS)):
        yield f"SECRET_KEY_FALLBACKS holds a default or a secret that is easy to guess, whose links would be good: each has {random}."


def _is_easy_to_guess(secret: str) -> bool:
    if len(secret) < SECRET_KEY_CHARACTERS_MIN or len(set(secret)) < SECRET_KEY_DIFFERENT_MIN:
        return True
    secret = secret.lower()
    return secret.startswith(_EXAMPLE_SECRETS) or "change-me" in secret or "changeme" in secret


def _hosts() -> Iterator[str]:
    for host in settings.ALLOWED_HOSTS:
        if "*" in host:
            yield "ALLOWED_HOSTS holds `*`: list the host names that clients use."
        elif _is_public_suffix(host.lower()):
            yield f"ALLOWED_HOSTS holds {host!r}, where anybody can have a name: list the host names that clients use."
        elif "/" in host or (":" in host and not host.startswith("[")):
            yield f"ALLOWED_HOSTS holds {host!r}, which no host is called: list names alone, without https:// and port."


def _is_public_suffix(host: str) -> bool:
    """A top-level domain, such as `.com`, or what a country has in its place, such as `.co.uk`; `conduit` alone may be a host's name."""
    name = host.strip(".")
    if host.startswith(".") and "." not in name:
        return True
    return re.fullmatch(_TOP_LEVEL, name) is not None


def _public_url() -> Iterator[str]:
    url = urlsplit(settings.PUBLIC_URL)
    if _is_loopback(url.hostname or ""):
        yield "PUBLIC_URL is not set, or a loopback address: links in answers would lead nowhere. Set it to the address that clients see."
    elif url.path.strip("/") or url.query or url.fragment or url.username is not None:
        yield "PUBLIC_URL is more than https:// and a host: Conduit's paths begin right after it. Leave the rest out."
    elif url.scheme != "https" and not settings.PUBLIC_HTTP:
        yield "PUBLIC_URL is http: keys and videos would go over the network for everybody to read. Use https, or set PUBLIC_HTTP=true."


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback or ip_address(host).is_unspecified
    except ValueError:
        return host in ("", "localhost") or host.endswith(".localhost")


def _minimax() -> Iterator[str]:
    if not settings.MINIMAX_API_KEY and not any(_is_there(a_key) for a_key in _other_keys):
        yield (
            "MINIMAX_API_KEY is not set, and no account in the database has a key, or the database cannot be asked: production never "
            "falls back to the sandbox by itself."
        )
    if settings.OUTBOUND_ALLOWED.covers_everything():
        yield "OUTBOUND_ALLOWED holds every address: links could lead anywhere in your own network. List the ones that are needed."
    if not _may_be_called(settings.MINIMAX_BASE_URL):
        yield (
            "MINIMAX_BASE_URL is no public address at the usual port, and OUTBOUND_ALLOWED does not list it: "
            f"add {urlsplit(settings.MINIMAX_BASE_URL).netloc}."
        )
    if settings.MINIMAX_SANDBOX:
        yield "MINIMAX_SANDBOX is set: its videos are synthetic. Unset it."
    elif urlsplit(settings.MINIMAX_BASE_URL).scheme != "https" and not settings.OUTBOUND_HTTP:
        yield "MINIMAX_BASE_URL is http: the key would go over the network for everybody to read. Use https, or set OUTBOUND_HTTP=true."


def _mails() -> Iterator[str]:
    if settings.ALERT_EMAILS and not settings.EMAIL_HOST:
        yield "ALERT_EMAILS is set, and EMAIL_HOST is not: nobody would be told. Set the mail server, or leave ALERT_EMAILS out."


def _is_there(a_key: Callable[[], bool]) -> bool:
    """Of what keeps a process from asking, most is over when its supervisor starts it again."""
    try:
        return a_key()
    except Exception:  # noqa: BLE001 - whatever keeps it from being asked, there is no key to start with
        return False
    finally:
        if not connections[DEFAULT_DB_ALIAS].in_atomic_block:
            connections[DEFAULT_DB_ALIAS].close()  # nothing that a worker which forks may share


def _may_be_called(url: str) -> bool:
    """False when it is known without asking what its name stands for that OUTBOUND_ALLOWED lacks it."""
    parts = urlsplit(url)
    usual_port = 443 if parts.scheme == "https" else 80
    return bool(settings.OUTBOUND_ALLOWED.may_permit(parts.hostname or "", parts.port or usual_port, usual_port))


def _trusted_proxies() -> Iterator[str]:
    for version, (bits, own) in _PROXY_NETWORKS.items():
        networks: Any = [network for network in settings.TRUSTED_PROXIES if network.version == version]
        for network in collapse_addresses(networks):  # two halves of everything are everything
            if network.prefixlen < bits and not any(network.subnet_of(ip_network(private)) for private in own):
                yield f"TRUSTED_PROXIES holds {network}: anybody there could pass for another client. List your proxies' own addresses."


def _servers() -> Iterator[str]:
    if not settings.DATABASE_IS_NAMED:
        yield "DATABASE_URL is not set: Conduit would begin an empty database of its own. Set it to postgres://USER:PASSWORD@HOST:5432/NAME."
    if not settings.REDIS_IS_NAMED:
        yield "REDIS_URL is not set: workers and streams would find nobody. Set it to redis://HOST:6379/0."


def _log_ins() -> Iterator[str]:
    if settings.LOGIN_LOCK_SECONDS < LOGIN_LOCK_SECONDS_MIN:
        yield f"LOGIN_LOCK_SECONDS is so short that passwords can be tried all day: set it to {LOGIN_LOCK_SECONDS_MIN} or more."
    if settings.SESSION_IDLE_SECONDS > SESSION_IDLE_SECONDS_MAX:
        yield f"SESSION_IDLE_SECONDS leaves a console open that nobody is at: set it to {SESSION_IDLE_SECONDS_MAX} (a day) or less."
    if settings.SESSION_COOKIE_AGE > SESSION_SECONDS_MAX:
        yield f"SESSION_SECONDS makes a stolen session good for long: set it to {SESSION_SECONDS_MAX} (30 days) or less."


def _secret_key() -> str:
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:  # how Django gives out an empty one
        return ""


@register
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [Error(problem, id="conduit.E001") for problem in problems()]


@register(Tags.database)
def limits_arrived(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Of each limit that connections are made with and that the server does not know of: poolers may drop what a start says."""
    found: list[CheckMessage] = []
    for connection in (connections[alias] for alias in databases or ()):
        if connection.vendor == "postgresql":
            found += [_did_not_arrive(connection, name, seconds) for name, seconds in SERVER_SETTINGS.items() if _is_off(connection, name)]
    return found


def _is_off(connection: Any, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return bool(cursor.fetchone()[0] == "0")


def _did_not_arrive(connection: Any, name: str, seconds: int) -> CheckMessage:
    role = connection.settings_dict["USER"]
    return Warning(
        f"PostgreSQL has no {name} for our connections, although they ask for it: a pooler between drops it. "
        "Calls whose rows somebody holds would wait without an end.",
        hint=f"ALTER ROLE {role} SET {name} = '{seconds}s'",
        id="conduit.W001",
    )


def refuse_unsafe_start() -> None:
    """End a server process that would run unsafely: one line for each reason on standard error."""
    if found := list(problems()):
        sys.exit("\n".join(f"conduit: will not start: {problem}" for problem in found))
