"""Every setting, from the environment or from a `.env` beside manage.py (of an installed place: in CONDUIT_HOME).

Two environments, named by CONDUIT_ENV. `development` is the embedded stack: SQLite, a Valkey of our own and, without a
MiniMax key, the sandbox. `production` refuses to serve with anything unsafe (conduit/checks.py). Unset, it is
`production` as soon as DATABASE_URL or REDIS_URL names a server.
"""

import hashlib
import importlib.util
import math
import os
import re
import secrets
import ssl
import sys
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from conduit.database import database_settings
from conduit.env import NamedEnv
from conduit.hardening import close_to_others
from conduit.logs import LEVELS, levels_of, logging_config
from conduit.outbound.addresses import Allowed
from conduit.redis_client import KEEPALIVE
from conduit.schedule import SCHEDULE
from conduit.tree import IS_INSTALLED, TREE
from conduit.web.bounds import bounds_from

BASE_DIR = TREE if IS_INSTALLED else Path(__file__).resolve().parent.parent
# What an installed place keeps lies with its user: its own folder may be anybody's, and closed to him.
_HOME = "~/.conduit" if IS_INSTALLED else str(BASE_DIR / ".conduit")


def _read_file(path: Path) -> None:
    if path.is_file():
        env.read_env(path)


def _home() -> Path:
    return Path(env.str("CONDUIT_HOME", default=_HOME)).expanduser().resolve()


env = NamedEnv()
# An installed place has no manage.py for it to lie beside.
_read_file((_home() if IS_INSTALLED else BASE_DIR) / ".env")

PORT = env.int("PORT", default=8000)
if not 0 < PORT < 65536:
    raise ImproperlyConfigured(f"PORT is {PORT}: set it to a number from 1 to 65535.")
DEBUG = env.bool("DEBUG", default=False)

_database_url = env.str("DATABASE_URL", default="")
# Whether anybody said where they are: production does not begin an empty database of its own (conduit/checks.py).
DATABASE_IS_NAMED, REDIS_IS_NAMED = bool(_database_url), bool(env.str("REDIS_URL", default=""))
_names_a_server = REDIS_IS_NAMED or not (_database_url or "sqlite:").lower().startswith("sqlite:")
CONDUIT_ENV = env.choice("CONDUIT_ENV", "production", "development", default="production" if _names_a_server else "development")
PRODUCTION = CONDUIT_ENV == "production"

# Database, Valkey, media and logs of the embedded stack.
CONDUIT_HOME = _home()  # again: .env was read since
try:
    CONDUIT_HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(
        f"CONDUIT_HOME {CONDUIT_HOME} cannot be made ({error.strerror}): set it to a folder that can be written."
    ) from None
try:
    tempfile.gettempdir()
except FileNotFoundError:  # a host on which nothing else may be written: libraries put aside there what they do for a moment
    tempfile.tempdir = str(CONDUIT_HOME)
# A running embedded stack writes here where its Valkey and its sandbox listen, for commands started beside it. The stack
# itself (CONDUIT_STACK) must not read it, nor production: it may have been left by one that was killed.
if not PRODUCTION and not env.bool("CONDUIT_STACK", default=False):
    _read_file(CONDUIT_HOME / "run.env")


def _own_secret(path: Path) -> str:
    """This installation's random secret, made on the first run: development has no default one that could leak into use."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        secret = secrets.token_urlsafe(50)
        file.write(secret)
    return secret


# Empty in production when unset: whatever signs then fails by name, and conduit/checks.py says so at start.
SECRET_KEY = env.str("SECRET_KEY", default="") or ("" if PRODUCTION else _own_secret(CONDUIT_HOME / "secret_key"))
# Former secrets, whose links and sessions stay good while the secret is being changed.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])

# Links in answers and events start here; behind a proxy it is the address that clients see.
PUBLIC_URL = env.address("PUBLIC_URL", f"http://localhost:{PORT}")
# For intranets without TLS: production refuses http there unless it is told that it is meant.
PUBLIC_HTTP = env.bool("PUBLIC_HTTP", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[urlsplit(PUBLIC_URL).hostname or "localhost", "localhost", "127.0.0.1", "[::1]"])
# Addresses or networks of our own proxies: only what they say in X-Forwarded-For is believed.
try:
    TRUSTED_PROXIES = [ip_network(entry, strict=False) for entry in env.list("TRUSTED_PROXIES", default=[])]
except ValueError as error:
    raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}. List addresses or networks, such as 10.0.0.0/8.") from None

INSTALLED_APPS = [
    "conduit.console.apps.CommandsConfig",  # first: its commands stand in for others' of the same name
    "conduit.console.apps.ConsoleAdminConfig",  # stands in for django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "corsheaders",
    "rest_framework",
    "drf_spectacular_sidecar",  # the files of /docs; drf_spectacular itself has nothing that an app has
    "conduit.stack",
    "conduit.conditions",
    "conduit.doctor",
    "conduit.rollups",
    "conduit.metrics",
    "conduit.api",
    "keys",
    "tasks.notifications",
    "tasks",
    "videos",
    "conduit.console.playground.apps.PlaygroundConfig",
    "conduit.console.apps.ConsoleConfig",  # after the apps whose models it shows
    "conduit.console.security.apps.SecurityConfig",  # last: it gives out the rights that all others have made
]

MIDDLEWARE = [
    "conduit.api.middleware.RequestContext",  # first: everything after it has a request id, crashes included
    "conduit.api.middleware.AnyHostForHealth",
    "conduit.console.security.policy.ContentPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "conduit.api.cors.AnyHeaderCors",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "conduit.console.security.sessions.SessionEnds",
    "axes.middleware.AxesMiddleware",
]

# SQLite makes an index without the columns that it only carries along: slower, and right all the same.
SILENCED_SYSTEM_CHECKS = ["models.W040"]
ROOT_URLCONF = "conduit.urls"
ASGI_APPLICATION = "conduit.asgi.application"
# No redirects to a trailing slash: the contract's paths have none, and a redirected POST loses its body.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# ---- Database -------------------------------------------------------------------------------------------------------

_pool_size = max(0, env.int("DATABASE_POOL", default=0))
# Threads that answer requests: more of them than there are connections would only wait for one.
WEB_THREADS = _pool_size or 20

DATABASES = {"default": database_settings(_database_url or f"sqlite:///{CONDUIT_HOME / 'db.sqlite3'}", pool=_pool_size)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- Redis: broker and channel layer (hints only; the database is the truth) ------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")  # again: run.env was read since
if not re.match(r"rediss?://\S", REDIS_URL):
    raise ImproperlyConfigured("REDIS_URL is no address of a Redis server: set it to redis://HOST:6379/0 (rediss:// with TLS).")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "conduit.channel_layer.ChannelLayer",
        # A Redis that cannot be reached is known to be away after a second; events are then read from the database.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_connect_timeout": 1, **KEEPALIVE}]},
    }
}

CELERY_BROKER_URL = REDIS_URL
if REDIS_URL.startswith("rediss:"):
    # As all other clients of it do; alone, Celery would take any certificate. Options in the address (ssl_ca_certs) are added.
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_TASK_DEFAULT_QUEUE = "provider"
CELERY_TASK_IGNORE_RESULT = True
# A worker that starts before Redis, or sees it restart, waits for it as long as it takes.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A job that is not acknowledged in this time is handed out again while it still runs: far above the longest step.
    "visibility_timeout": 900,
    # A request that hints while Redis is away or hangs goes on within two seconds at most: workers find the row.
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    # A worker asks for work once a second. When no answer came for three it asks over another connection, two later at most.
    "health_check_interval": 2,
    **KEEPALIVE,
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
}
# A lost hint costs a second of waiting, a retried one costs the request its answer time.
CELERY_TASK_PUBLISH_RETRY = False
# While Redis is away a worker goes on with what it finds in the database.
CELERY_WORKER_CONSUMER = "conduit.worker:Consumer"
# A busy host needs longer than Celery's four seconds for a process of the pool to begin, and would end one after the other.
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60.0
# A thread takes one job at a time: what waits stays in Redis for the next worker that is free.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Threads keep their connection, as TimelyTask has it; Celery would close it before and after each job.
CELERY_DB_REUSE_MAX = sys.maxsize
# conduit.logs formats everything; Celery would replace it with its own.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = SCHEDULE

# ---- HTTP -----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "conduit.api.errors.handle",
    "DEFAULT_AUTHENTICATION_CLASSES": ["keys.authentication.VirtualKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["conduit.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    # An unknown `Accept` still gets JSON: there is nothing else to offer.
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "conduit.api.negotiation.AlwaysJSON",
    "UNAUTHENTICATED_USER": None,
    # OPTIONS without an Origin is a method like any other that a path does not answer; preflights never come this far.
    "DEFAULT_METADATA_CLASS": None,
}
# The page at /docs (conduit.api.openapi). Its files are ours to serve, and no document of ours is sent to a validator of others.
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"validatorUrl": None, "docExpansion": "list", "defaultModelsExpandDepth": 0, "deepLinking": True},
}
# A request is a prompt and a little metadata; more than this is refused with 413.
MAX_BODY_BYTES = 256 * 1024
# The same for the console's forms, and what a web process collects of any body.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

WEB_BOUNDS = bounds_from(env)  # what is unknown, slow or sent in floods

# Browsers on any origin may call the API: the key is the authorization. A list of origins narrows it.
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", default=[])
for _origin in CORS_ALLOWED_ORIGINS:
    if not re.fullmatch(r"https?://[^/\s]+", _origin):
        raise ImproperlyConfigured(f"CORS_ALLOWED_ORIGINS holds {_origin!r}: an origin is https:// and a host, without a path.")
CORS_ALLOW_ALL_ORIGINS = not CORS_ALLOWED_ORIGINS
CORS_URLS_REGEX = r"^/((v1|media)/|openapi\.json$)"  # the hub answers for itself, as SignalR wants it
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "range",
    "x-api-key",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Idempotent-Replayed", "Location", "Preference-Applied",
    "Retry-After", "X-Request-ID",
    "X-RateLimit-Limit-Requests", "X-RateLimit-Remaining-Requests", "X-RateLimit-Reset-Requests",
]  # fmt: skip

_public = urlsplit(PUBLIC_URL)
_HTTPS = _public.scheme == "https"
# The console's forms are sent from any name that is served. A proxy that speaks TLS passes on http: what a browser calls https is
# to us another origin, unless it is listed here.
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] + [
    f"{_public.scheme}://{name}{port}"
    for host in ALLOWED_HOSTS
    for name in ([f"*{host}", host[1:]] if host.startswith(".") else [host])
    for port in sorted({"", f":{_public.port}" if _public.port else ""})
    if name != "*"
]
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _HTTPS
# A browser keeps one jar for a host, whatever the port: two places on one host have names of their own, and all processes of a
# place the same, behind a proxy that asks them in turn.
_jar = hashlib.sha256((PUBLIC_URL if PRODUCTION else str(CONDUIT_HOME)).encode()).hexdigest()[:8]
_host_only = "__Host-" if _HTTPS else ""  # browsers then take the cookie from this very host alone
SESSION_COOKIE_NAME = f"{_host_only}conduit_session_{_jar}"
CSRF_COOKIE_NAME = f"{_host_only}conduit_csrf_{_jar}"
CSRF_FAILURE_VIEW = "conduit.console.errors.csrf_failure"
# For so long a browser that came over TLS does not come without it, in production. 0: it may.
HSTS_SECONDS = max(0, env.int("HSTS_SECONDS", default=365 * 24 * 3600))
# Scripts never need it, and pages of others never send it along with a form.
SESSION_COOKIE_HTTPONLY, SESSION_COOKIE_SAMESITE = True, "Lax"
# A person who is logged in to the console is logged out after so long without use, and after so long in any case.
SESSION_IDLE_SECONDS = env.positive("SESSION_IDLE_SECONDS", default=8 * 3600)
SESSION_COOKIE_AGE = math.ceil(env.positive("SESSION_SECONDS", default=7 * 24 * 3600))

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "conduit.console.security.backends.Accounts"]
# Log-ins of an address that sent too many wrong passwords are not heard for so long.
LOGIN_LOCK_SECONDS = env.positive("LOGIN_LOCK_SECONDS", default=900)
# How many are heard, and from where they come, are rules of our own: the library asks them at every log-in.
AXES_HANDLER = "conduit.console.security.lockout.Handler"
AXES_CLIENT_IP_CALLABLE = "conduit.api.network.client_address"
AXES_LOCKOUT_CALLABLE = "conduit.console.security.lockout.locked_page"
AXES_ENABLE_ADMIN = AXES_VERBOSE = False  # its lists would show what was typed into forms

# A code beside the password: offered to everybody, or a must, without which nobody sees more than the page that sets it up.
CONSOLE_SECOND_FACTOR = env.choice("CONSOLE_SECOND_FACTOR", "offered", "required", default="offered")
OTP_TOTP_ISSUER = f"Conduit {_public.hostname}"  # how an authenticator app names the place

# Whether `/` is the playground, where people with a key make videos by hand; else it is a short page that leads on.
PLAYGROUND = env.bool("PLAYGROUND", default=True)

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
# The admin's files are served from the packages they came in: no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True

# ---- Storage of clips, videos and thumbnails --------------------------------------------------------------------------

S3_BUCKET = env.str("S3_BUCKET", default="")
# What says that S3 is meant, and does nothing without a bucket (conduit/checks.py).
S3_IS_MEANT_BY = [name for name in ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY") if env.str(name, default="")]
_FILES: dict[str, Any] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": CONDUIT_HOME / "media"},
}
# Their owner's alone: Django would give each file to everybody, whatever the umask.
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700
# What boto adds to each upload by default is refused by several stores that are not Amazon's (400, 501).
S3_CHECKSUMS = env.choice("S3_CHECKSUMS", "when_required", "when_supported", default="when_required")
# How links and calls name the bucket: in the path, in the host's name, or as boto thinks best.
S3_ADDRESSING_STYLE = env.choice("S3_ADDRESSING_STYLE", "auto", "path", "virtual", default="auto")
_S3: dict[str, Any] = {
    "BACKEND": "videos.s3.S3",
    "OPTIONS": {
        "bucket_name": S3_BUCKET,
        "endpoint_url": env.address("S3_ENDPOINT_URL", "") if env.str("S3_ENDPOINT_URL", default="") else None,  # another S3 than Amazon's
        # The name under which clients reach a store that workers reach by an inside one.
        "public_endpoint_url": env.address("S3_PUBLIC_ENDPOINT_URL", "") if env.str("S3_PUBLIC_ENDPOINT_URL", default="") else None,
        "checksums": S3_CHECKSUMS,
        "addressing_style": S3_ADDRESSING_STYLE,
        "region_name": env.str("S3_REGION", default=None),
        "access_key": env.str("S3_ACCESS_KEY_ID", default=None),  # None: boto3's own chain, such as an instance role
        "secret_key": env.str("S3_SECRET_ACCESS_KEY", default=None),
        "signature_version": "s3v4",
        "max_memory_size": 8 * 1024**2,  # a clip that is read back goes to disk beyond this; the default keeps it in memory
        "default_acl": None,
        "file_overwrite": True,  # names carry the lease that wrote them; asking for a free one first costs a call
    },
}
STORAGES = {
    "default": _S3 if S3_BUCKET else _FILES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# A link is signed for a span, so that an unchanged task keeps its body and ETag; it lives for one to two of them.
MEDIA_LINK_SPAN_SECONDS = math.ceil(env.positive("MEDIA_LINK_SPAN_SECONDS", default=3600))
WORK_DIR = CONDUIT_HOME / "work"  # scratch files of media work
for _folder in (CONDUIT_HOME / "media", WORK_DIR, CONDUIT_HOME / "logs"):
    close_to_others(_folder)
# A clip larger than this is refused: 60 s of 2K video are far below.
MAX_CLIP_BYTES = env.int("MAX_CLIP_BYTES", default=1024**3)

# ---- MiniMax --------------------------------------------------------------------------------------------------------

MINIMAX_API_KEY = env.str("MINIMAX_API_KEY", default="")
MINIMAX_BASE_URL = env.address("MINIMAX_BASE_URL", "https://api.minimax.io")
# Production refuses http there unless it is told that it is meant: key, prompts and videos would be everybody's to read.
OUTBOUND_HTTP = env.bool("OUTBOUND_HTTP", default=False)
# The only exception to the rule that what is called is a public address at the usual port of http or https: links and pictures from
# MiniMax, MINIMAX_BASE_URL itself.
try:
    OUTBOUND_ALLOWED = Allowed.parse(env.str("OUTBOUND_ALLOWED", default=""))
except ValueError as error:
    raise ImproperlyConfigured(f"OUTBOUND_ALLOWED: {error}.") from None
# True when MINIMAX_BASE_URL is our own look-alike; only the embedded stack sets it.
MINIMAX_SANDBOX = env.bool("MINIMAX_SANDBOX", default=False)
# How long the sandbox takes, as a share of the real thing: typical times and the pace of polls shrink alike.
MINIMAX_TIME_SCALE = env.positive("MINIMAX_TIME_SCALE", default=0.02 if MINIMAX_SANDBOX else 1.0)
MINIMAX_CONNECT_SECONDS = 5.0
MINIMAX_READ_SECONDS = env.positive("MINIMAX_READ_SECONDS", default=30.0)
# The whole of one download, however slowly it drips.
MINIMAX_DOWNLOAD_SECONDS = env.positive("MINIMAX_DOWNLOAD_SECONDS", default=300.0)
# MiniMax advises 10 s between two queries of a job.
MINIMAX_POLL_SECONDS = env.float("MINIMAX_POLL_SECONDS", default=max(1.0, 10.0 * MINIMAX_TIME_SCALE))
# Whether MiniMax is to call back to PUBLIC_URL; `auto`: where that is https with a public name. Jobs that it calls back for are asked
# for rarely: only so that a callback that gets lost costs no more than this.
MINIMAX_CALLBACKS = env.choice("MINIMAX_CALLBACKS", "auto", "on", "off", default="auto")
MINIMAX_POLL_SECONDS_WITH_CALLBACKS = env.float("MINIMAX_POLL_SECONDS_WITH_CALLBACKS", default=6 * MINIMAX_POLL_SECONDS)

# A job whose task has ended, such as by a time limit, is asked for so rarely until MiniMax says how it ended: what it bills is known then.
FOLLOW_SECONDS = env.positive("FOLLOW_SECONDS", default=max(10.0, 300.0 * MINIMAX_TIME_SCALE))
# Threads of a worker that ask how jobs go, at most, for each account: with answers after a quarter of a second 128 ask 500 times a second.
ASKING_THREADS = math.ceil(env.positive("ASKING_THREADS", default=128))

# ---- The engine: how long things may take, in seconds -------------------------------------------------------------------

# A step's outcome counts only while its lease holds, and a step whose process died is done anew when it lapses: longer
# than the slowest call to MiniMax. Downloads and media work, which take longer, renew theirs while they live.
LEASE_SECONDS = env.positive("LEASE_SECONDS", default=60.0)
# The media worker kills a child that works on one file for longer than this.
MEDIA_STEP_SECONDS = env.int("MEDIA_STEP_SECONDS", default=600)
# First pause after a step that could not be done; it doubles up to the longest.
RETRY_SECONDS = env.float("RETRY_SECONDS", default=2.0)
RETRY_SECONDS_MAX = env.positive("RETRY_SECONDS_MAX", default=60.0)
# How long a task may stand in each state before it fails: waiting to be sent, waiting for an operator (key, balance), with an order
# whose answer was lost, being made by MiniMax, being fetched and stored.
QUEUED_SECONDS_MAX = env.positive("QUEUED_SECONDS_MAX", default=24 * 3600.0)
OPERATOR_SECONDS_MAX = env.positive("OPERATOR_SECONDS_MAX", default=6 * 3600.0)
RECONCILING_SECONDS_MAX = env.float("RECONCILING_SECONDS_MAX", default=6 * 3600.0)
GENERATING_SECONDS_MAX = env.positive("GENERATING_SECONDS_MAX", default=3600.0)
DELIVERY_SECONDS_MAX = env.positive("DELIVERY_SECONDS_MAX", default=8 * 3600.0)
# How long the clips of a failed task are kept, so that a retry buys only what is missing.
FAILED_CLIPS_SECONDS = env.positive("FAILED_CLIPS_SECONDS", default=24 * 3600.0)

# ---- Keys and money -----------------------------------------------------------------------------------------------------

# What a cancelled task costs: nothing; the share of its price that was already sent to MiniMax, which bills it (submitted); all.
CANCEL_CHARGES = env.choice("CANCEL_CHARGES", "nothing", "submitted", "all", default="submitted")
# What a task costs that failed because MiniMax took too long: nothing, at once; or its hold stands until MiniMax says how its job ended,
# and the share of its price is charged whose clips MiniMax bills (when_known).
TIMEOUT_CHARGES = env.choice("TIMEOUT_CHARGES", "nothing", "when_known", default="nothing")
# Calls that create nothing, per key and minute, where the key itself says no other number: a hundred a second, enough to ask
# for sixty tasks twice a second, and too few for one caller to take the whole service.
READS_PER_MINUTE = math.ceil(env.positive("READS_PER_MINUTE", default=6000))
# Calls that create, retry or estimate, likewise: so that every call is told how it stands to a limit. Budgets are what bounds them.
CREATES_PER_MINUTE = math.ceil(env.positive("CREATES_PER_MINUTE", default=6000))
# All calls of a management key, likewise: a console or a billing run reads a lot, and one that leaked must not take everything.
MANAGEMENT_CALLS_PER_MINUTE = math.ceil(env.positive("MANAGEMENT_CALLS_PER_MINUTE", default=600))
# With Redis away calls are served uncounted, or refused with 503 until it is back. Budgets and tasks in flight never depend on it.
LIMITS_FAIL_OPEN = env.bool("LIMITS_FAIL_OPEN", default=True)

# ---- Webhooks ---------------------------------------------------------------------------------------------------------

# Receivers that one process calls at once, at most: those that answer nothing keep a connection each for ten seconds.
WEBHOOK_CONNECTIONS = math.ceil(env.positive("WEBHOOK_CONNECTIONS", default=256))
# What was told, and the log of its tries, is kept for so many days.
WEBHOOKS_KEPT_DAYS = env.positive("WEBHOOKS_KEPT_DAYS", default=14)

# ---- Mails ------------------------------------------------------------------------------------------------------------

# Operators who are told of budgets and of what is wrong with the place. Without any it is told on the console alone.
ALERT_EMAILS = env.list("ALERT_EMAILS", default=[])
for _address in ALERT_EMAILS:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", _address):
        raise ImproperlyConfigured(f"ALERT_EMAILS holds {_address!r}: list e-mail addresses, with commas between them.")
# The mail server. Without a host no mail is written.
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_PORT = math.ceil(env.positive("EMAIL_PORT", default=587))
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_SECURITY = env.choice("EMAIL_SECURITY", "starttls", "tls", "none", default="starttls")
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "tls"
EMAIL_TIMEOUT = 20  # seconds: of one that hangs, the next try may be better
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default=f"conduit@{_public.hostname}")

# ---- Streams: the hub, WebSockets and server-sent events ----------------------------------------------------------------

# Open at once over all processes, of one key and of all, hub and plain streams together. Each takes a file descriptor of its
# process, so `ulimit -n` must be higher than what one process is to hold.
STREAMS_PER_KEY = math.ceil(env.positive("STREAMS_PER_KEY", default=500))
STREAMS_MAX = math.ceil(env.positive("STREAMS_MAX", default=10_000))
# What a stream may have unsent before its reader is cut off as too slow: some hundred events.
STREAM_OUTSTANDING_BYTES = math.ceil(env.positive("STREAM_OUTSTANDING_BYTES", default=256 * 1024))
# Whether an API key may be `?access_token=`, as hub and streams take it from browsers: addresses are kept in logs and histories. Client
# tokens, of minutes, always may.
KEYS_IN_ADDRESSES = env.bool("KEYS_IN_ADDRESSES", default=True)
# How often a process that has streams asks the database what it was not told: events, keys that were disabled or replaced.
STREAM_WATCH_SECONDS = env.positive("STREAM_WATCH_SECONDS", default=2.0)
# A client may go on after any event of the last so many days; of tasks under way all are kept.
# After so many days a task's result, or its prompt and metadata, are deleted, where its key says nothing else; 0: they are kept.
RESULTS_KEPT_DAYS = env.int("RESULTS_KEPT_DAYS", default=0)
PROMPTS_KEPT_DAYS = env.int("PROMPTS_KEPT_DAYS", default=0)
for _name in ("RESULTS_KEPT_DAYS", "PROMPTS_KEPT_DAYS"):
    if not 0 <= globals()[_name] <= 36_500:
        raise ImproperlyConfigured(f"{_name} must be whole days from 0 (for good) to 36500.")
EVENTS_KEPT_DAYS = env.positive("EVENTS_KEPT_DAYS", default=7)
# What was said to MiniMax and answered is kept for so many days: its support asks for it, and later nobody does.
EXCHANGES_KEPT_DAYS = env.positive("EXCHANGES_KEPT_DAYS", default=14)

# ---- Metrics ---------------------------------------------------------------------------------------------------------

# What Prometheus shows at /metrics, which tells nobody else but operators. Empty: operators alone.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# ---- What is kept ----------------------------------------------------------------------------------------------------

# Audit rows, and what was counted by day (months stay), are deleted after so many days; 0: they are kept for good.
AUDIT_KEPT_DAYS = env.int("AUDIT_KEPT_DAYS", default=0)
if AUDIT_KEPT_DAYS and AUDIT_KEPT_DAYS < 30:
    raise ImproperlyConfigured("AUDIT_KEPT_DAYS must be 30 days or more, or 0: for good.")
DAYS_KEPT = env.int("DAYS_KEPT", default=0)
if DAYS_KEPT and DAYS_KEPT < 92:
    raise ImproperlyConfigured("DAYS_KEPT must be 92 days or more, or 0: for good.")

# ---- Logs -----------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in LEVELS:
    raise ImproperlyConfigured(f"LOG_LEVEL is {LOG_LEVEL!r}: set it to DEBUG, INFO, WARNING, ERROR or CRITICAL.")
# Of single loggers and what is below them, such as conduit.request=WARNING,videos=DEBUG.
try:
    LOG_LEVELS = levels_of(env.list("LOG_LEVELS", default=[]))
except ValueError as error:
    raise ImproperlyConfigured(f"LOG_LEVELS: {error}") from None
LOGGING = logging_config(level=LOG_LEVEL, levels=LOG_LEVELS)

# ---- Traces ----------------------------------------------------------------------------------------------------------

# Whether spans are sent to a collector: OpenTelemetry's own settings name it, and say the rest.
TRACES = bool(env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="") or env.str("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", default=""))
if TRACES and importlib.util.find_spec("opentelemetry") is None:
    raise ImproperlyConfigured(
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: pip install -r ops/requirements-traces.txt, or unset it."
    )
