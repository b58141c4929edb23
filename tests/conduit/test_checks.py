"""What production refuses to start with: each value in this process, and what starts on real ones with environments of their own."""

import os
import re
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from conduit.checks import check_production, problems
from conduit.outbound.addresses import Allowed
from tests.support import nursery
from tests.support.scratch import scratch

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
PROGRAMS = Path(sys.executable).parent
SAFE = {
    "CONDUIT_ENV": "production",
    "CONDUIT_STACK": "1",  # leave alone what a running stack of the developer's has written
    "DEBUG": "0",
    "SECRET_KEY": "mE4x7Qv0Zt9LkW2sBy6RnHc8UfJ1pGaD5oTiKe3X",
    "ALLOWED_HOSTS": "video.example",
    "PUBLIC_URL": "https://video.example",
    "MINIMAX_API_KEY": "a-key",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


def started(*command: str, without: str = "", **unsafe: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "CONDUIT_HOME": str(scratch("production")), **SAFE, **unsafe}
    environment.pop(without, None)
    return nursery.run(command, environment, seconds=60)


def test_the_web_process_refuses_an_unsafe_setting_by_name():
    process = started(sys.executable, "-c", "import conduit.asgi", SECRET_KEY="short")

    assert process.returncode == 1
    [line] = [line for line in process.stderr.splitlines() if line]
    assert line.startswith("conduit: will not start: SECRET_KEY ")
    assert process.stdout == ""


@pytest.fixture
def production(settings):
    """Safe production settings, in this process."""
    settings.PRODUCTION, settings.DEBUG = True, False
    settings.SECRET_KEY, settings.MINIMAX_API_KEY = SAFE["SECRET_KEY"], SAFE["MINIMAX_API_KEY"]
    settings.MINIMAX_BASE_URL, settings.OUTBOUND_ALLOWED = "https://api.minimax.io", Allowed()
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL, settings.MINIMAX_SANDBOX = ["video.example"], SAFE["PUBLIC_URL"], False
    return settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", True),
        ("MINIMAX_API_KEY", ""),
        ("ALLOWED_HOSTS", ["*"]),
        ("ALLOWED_HOSTS", ["video.example", "*"]),
        ("ALLOWED_HOSTS", ["*.video.example"]),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "x" * 31),
        ("SECRET_KEY", "django-insecure-" + "x" * 50),
        ("SECRET_KEY", "Change-Me-" + "x" * 50),
        ("PUBLIC_URL", "http://localhost:8000"),
        ("PUBLIC_URL", "https://127.0.0.1"),
        ("PUBLIC_URL", "http://[::1]:8000"),
        ("PUBLIC_URL", "http://video.example"),
        ("PUBLIC_URL", "https://video.example/conduit"),
        ("PUBLIC_URL", "https://video.example?tenant=1"),
        ("PUBLIC_URL", "https://user:password@video.example"),
        ("PUBLIC_URL", "https://0.0.0.0:8000"),
        ("PUBLIC_URL", "https://127.1.2.3"),
        ("MINIMAX_BASE_URL", "http://api.minimax.io"),
        ("DATABASE_IS_NAMED", False),
        ("REDIS_IS_NAMED", False),
        ("ALLOWED_HOSTS", ["video.example", ".com"]),
        ("ALLOWED_HOSTS", [".video"]),
        ("ALLOWED_HOSTS", ["com"]),
        ("ALLOWED_HOSTS", [".CO.UK"]),
        ("ALLOWED_HOSTS", ["."]),
        ("ALLOWED_HOSTS", ["https://video.example"]),
        ("ALLOWED_HOSTS", ["video.example:443"]),
        ("SECRET_KEY_FALLBACKS", ["short"]),
        ("SECRET_KEY_FALLBACKS", [SAFE["SECRET_KEY"], "django-insecure-" + "x7" * 25]),
        ("TRUSTED_PROXIES", [ip_network("0.0.0.0/0")]),
        ("TRUSTED_PROXIES", [ip_network("::/0")]),
        ("TRUSTED_PROXIES", [ip_network("0.0.0.0/1"), ip_network("128.0.0.0/1")]),
        ("TRUSTED_PROXIES", [ip_network(f"{first}.0.0.0/8") for first in range(64, 128)]),
        ("TRUSTED_PROXIES", [ip_network("192.0.2.1"), ip_network("2000::/3")]),
        ("SECRET_KEY", "a" * 40),
        ("SECRET_KEY", "my-django-secret-key-change-me-please"),
        ("MINIMAX_SANDBOX", True),
        ("OUTBOUND_ALLOWED", Allowed.parse("0.0.0.0/0")),
        ("OUTBOUND_ALLOWED", Allowed.parse("10.0.0.1,[::/0]:443")),
        ("MINIMAX_BASE_URL", "https://10.0.0.5"),
        ("MINIMAX_BASE_URL", "https://api.minimax.io:8443/v1"),
        ("MINIMAX_BASE_URL", "https://localhost"),
        ("LOGIN_LOCK_SECONDS", 59),
        ("SESSION_IDLE_SECONDS", 86_401),
        ("SESSION_COOKIE_AGE", 30 * 86_400 + 1),
    ],
)
def test_each_unsafe_value_is_seen(production, name, value):
    setattr(production, name, value)

    [problem] = problems()
    assert problem.startswith(f"{name.replace('_IS_NAMED', '_URL').replace('COOKIE_AGE', 'SECONDS')} ")
    assert "password@" not in problem


def test_a_storage_on_s3_without_a_bucket_is_seen(production):
    production.S3_BUCKET, production.S3_IS_MEANT_BY = "", ["S3_ENDPOINT_URL"]
    [problem] = problems()
    assert problem.startswith("S3_BUCKET is not set and S3_ENDPOINT_URL is: ")

    production.S3_BUCKET = "videos"
    assert not list(problems())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", ["video.example", ".video.example", "conduit", "10.0.0.7", "[::1]", "localhost", "video.co.uk"]),
        ("TRUSTED_PROXIES", [ip_network("10.0.0.5"), ip_network("10.0.0.0/8"), ip_network("172.64.0.0/13"), ip_network("fd00::/8")]),
        ("SECRET_KEY_FALLBACKS", [SAFE["SECRET_KEY"][::-1]]),
        ("PUBLIC_URL", "https://video.example:8443"),
    ],
)
def test_what_is_narrow_enough_is_taken(production, name, value):
    setattr(production, name, value)

    assert list(problems()) == []


@pytest.mark.parametrize(("meant", "name"), [("PUBLIC_HTTP", "PUBLIC_URL"), ("OUTBOUND_HTTP", "MINIMAX_BASE_URL")])
def test_http_is_taken_where_it_is_meant(production, meant, name):
    setattr(production, name, "http://video.intranet.example")
    assert [problem.split()[0] for problem in problems()] == [name]

    setattr(production, meant, True)
    assert list(problems()) == []


def test_safe_settings_have_no_problem(production):
    assert list(problems()) == []


@pytest.mark.parametrize("entry", ["10.0.0.5:8443", "10.0.0.0/8:8443", "10.0.0.5:*"])
def test_a_minimax_inside_is_safe_where_it_is_allowed(production, entry):
    production.MINIMAX_BASE_URL, production.OUTBOUND_ALLOWED = "https://10.0.0.5:8443", Allowed.parse(entry)
    assert list(problems()) == []


def test_the_web_process_loads_when_everything_is_safe():
    process = started(sys.executable, "-c", "import conduit.asgi")

    assert process.returncode == 0, process.stderr
    assert "will not start" not in process.stderr  # that its database is away may be told
    assert "Traceback" not in process.stderr


def test_every_reason_is_told_at_once():
    unsafe = {"SECRET_KEY": "", "DEBUG": "1", "ALLOWED_HOSTS": "*", "PUBLIC_URL": "http://localhost:8000", "MINIMAX_API_KEY": ""}

    process = started(sys.executable, "-c", "import conduit.asgi", **unsafe)

    assert process.returncode == 1
    assert [line.split()[4] for line in process.stderr.splitlines()] == list(unsafe)


@pytest.mark.parametrize(
    "command",
    [
        ("daphne", "-p", "0", "conduit.asgi:application"),
        ("celery", "-A", "conduit", "worker", "-P", "threads", "-c", "1", "-Q", "provider"),
        ("celery", "-A", "conduit", "beat", "-S", "conduit.beat:OneBeat", "--pidfile="),
    ],
    ids=["daphne", "worker", "beat"],
)
def test_no_process_of_the_stack_starts_unsafely(command):
    process = started(str(PROGRAMS / command[0]), *command[1:], SECRET_KEY="")

    assert process.returncode != 0
    assert "conduit: will not start: SECRET_KEY is not set" in process.stderr
    assert "Traceback" not in process.stderr + process.stdout


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_production_begins_no_database_and_no_redis_of_its_own(settings_with, name):
    """That what is not named is refused is seen above."""
    named = name.replace("_URL", "_IS_NAMED")

    assert settings_with(**SAFE)[named] is True
    assert settings_with(**SAFE | {name: ""})[named] is False
    assert settings_with(**{known: value for known, value in SAFE.items() if known != name})[named] is False


def test_production_starts_as_the_documents_say():
    """What stands there as … is the operator's own; all else is taken as it is."""
    said = OPERATIONS.read_text().partition("\n## Production\n")[2]
    export = re.search(r"^export (.+?[^\\])\n", said, re.MULTILINE | re.DOTALL)
    assert export
    told = dict(pair.split("=", 1) for pair in export[1].replace("\\\n", " ").split())
    assert told.pop("TRUSTED_PROXIES") == "10.0.0.5"  # the proxy's address alone
    own = {name: SAFE.get(name, "conduit-videos") if "…" in value else value for name, value in told.items()}
    assert own["CONDUIT_ENV"] == "production"

    with_nothing_else = {"without": "ALLOWED_HOSTS"} if "ALLOWED_HOSTS" not in own else {}
    process = started(sys.executable, "-c", "import conduit.asgi", **own, **with_nothing_else, TRUSTED_PROXIES="10.0.0.5")

    assert process.returncode == 0, process.stderr
    assert "will not start" not in process.stderr  # that its database is away may be told
    assert "Traceback" not in process.stderr


def test_manage_check_names_the_reason_too():
    process = started(sys.executable, "manage.py", "check", MINIMAX_API_KEY="")

    assert process.returncode == 1
    assert "conduit.E001" in process.stderr
    assert "MINIMAX_API_KEY is not set" in process.stderr
    assert "Traceback" not in process.stderr


def test_development_starts_with_anything(settings):
    settings.PRODUCTION, settings.DEBUG, settings.ALLOWED_HOSTS = False, True, ["*"]

    assert list(problems()) == []
    assert check_production(None) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUSTED_PROXIES", "proxy.local"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("PUBLIC_URL", "video.example"),
        ("MINIMAX_BASE_URL", "ftp://minimax.example"),
        ("CORS_ALLOWED_ORIGINS", "video.example"),
        ("LOG_LEVEL", "loud"),
        ("DEBUG", "maybe"),
        ("LEASE_SECONDS", "0"),
        ("MEDIA_LINK_SPAN_SECONDS", "-1"),
        ("PORT", "http"),
        ("CONDUIT_ENV", "prod"),
        ("CONSOLE_SECOND_FACTOR", "yes"),
        ("OUTBOUND_ALLOWED", "10.0.0.0/33"),
        ("REDIS_URL", "localhost:6379"),
        ("DATABASE_URL", "postgres://db"),
        ("RETRY_SECONDS", "2s"),
        ("PUBLIC_HTTP", "perhaps"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name_in_any_environment(settings_with, name, value):
    with pytest.raises(ImproperlyConfigured, match=f"^{name}"):
        settings_with(**SAFE | {"CONDUIT_ENV": "development", name: value})


def test_what_the_settings_refuse_is_one_line_of_the_command():
    process = started(sys.executable, "manage.py", "check", CONDUIT_ENV="development", TRUSTED_PROXIES="proxy.local")

    assert process.returncode == 1
    assert process.stderr.startswith("conduit: TRUSTED_PROXIES")
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("url", ["postgres://db/x", "pgsql://db/x", "POSTGRES://db/x", "psql://db/x"])
def test_a_database_server_by_any_name_means_production(settings_with, url):
    """Read from the settings alone: what production refuses is seen above."""
    assert settings_with(**SAFE | {"CONDUIT_ENV": "", "DATABASE_URL": url})["PRODUCTION"] is True


def test_what_a_killed_development_stack_left_is_nothing_to_production(tmp_path):
    (tmp_path / "run.env").write_text("MINIMAX_API_KEY=sandbox-key\nMINIMAX_SANDBOX=1\nMINIMAX_BASE_URL=http://127.0.0.1:9\n")

    process = started(sys.executable, "-c", "import conduit.asgi", CONDUIT_HOME=str(tmp_path), MINIMAX_API_KEY="")

    assert process.returncode == 1
    assert "MINIMAX_API_KEY is not set" in process.stderr
