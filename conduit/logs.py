"""JSON logs: one line an event, with the request and the task it belongs to, and no secret in it."""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Virtual keys, bearer tokens, tokens and signatures in URLs, passwords in connection URLs. `?+`: a management key's prefix, by which
# administrators know it, is no secret of a virtual key that begins with `admin_`.
_SECRETS = re.compile(
    r"(?P<key>condt_(?:admin_)?+)[\w-]{8,}"
    r"|(?P<scheme>Bearer\s+)[^\s'\",]{8,}"
    r"|(?P<query>(?:access_token|signature|token|api_key|X-Amz-Signature|X-Amz-Credential)=)[^&\s'\"]+"
    r"|(?P<url>://[^/\s:@]*:)[^@/\s]+(?=@)",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """The text with whatever looks like a credential replaced by ***."""
    return _SECRETS.sub(lambda match: next(filter(None, match.groups())) + "***", text)


# What one value may have: clients choose much of what is told of them. A traceback has its frames, and what was raised.
CHARACTERS_MAX = 4_000
_LONG = {"exception": 50_000, "stack": 50_000}


def shortened(text: str, most: int) -> str:
    """The text, or its first characters and how many it had."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _redact(value: Any, most: int = CHARACTERS_MAX) -> Any:
    if isinstance(value, str):
        return shortened(without_secrets(value), most)
    if isinstance(value, dict):
        return {name: _redact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return shortened(without_secrets(str(value)), most)  # an exception or a URL object would be rendered after this


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last step before rendering, so that tracebacks and third-party messages pass through it too. JSON escapes what would end
    a line."""
    return {name: _redact(value, _LONG.get(name, CHARACTERS_MAX)) for name, value in event.items()}


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.processors.UnicodeDecoder(),
]


class _Lines(structlog.stdlib.ProcessorFormatter):
    """structlog's own, without what it does to every record in case that it is not structlog's."""

    _render = structlog.processors.JSONRenderer()

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) and hasattr(record, "_logger"):
            return cast(str, self._render(None, "", _redact_event(None, "", record.msg)))
        return super().format(record)


# One list for good: a logger keeps the one that it was first used with, however often settings are read after that.
_PROCESSORS: list[Processor] = [
    structlog.stdlib.filter_by_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    *_SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def configure_structlog() -> None:
    """Send structlog's events through the standard library's handlers, so that ours and others' look the same."""
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def levels_of(entries: Iterable[str]) -> dict[str, str]:
    """From entries such as `videos.engine=DEBUG`; ValueError names one that is none."""
    found = {}
    for entry in entries:
        name, _, level = entry.strip().partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name) or level.upper() not in LEVELS:
            raise ValueError(f"{entry!r} is no logger and level, such as conduit.request=WARNING.")
        found[name] = level.upper()
    return found


def logging_config(*, level: str, levels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A `logging.config.dictConfig` that writes JSON lines to standard error. `levels`: of loggers by their names, and what is below."""
    configure_structlog()
    # No line shows these, nor from which line of the code it comes; finding them out for each was a fifth of what a line costs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as logging's documentation has it
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": _Lines,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _redact_event,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # One line a request is ours (conduit.api.middleware), without the query string that daphne would write.
            "daphne": {"level": "WARNING"},
            # Django's line for each 4xx adds nothing to ours; its 500s carry the traceback.
            "django.request": {"level": "ERROR"},
            # Scanners try hosts all day: our line of the 400 tells enough.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # A line for every tick, each second.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            **{name: {"level": of} for name, of in (levels or {}).items()},
        },
    }
