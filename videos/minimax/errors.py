"""What can go wrong between us and MiniMax, classified once into what the engine can act on.

The codes and their meaning are those of MiniMax's published error page; `status_msg` is for the log, the words here are for people.
"""

import re
from enum import Enum, StrEnum
from typing import NamedTuple


class Outcome(Enum):
    FINAL = "final"  # the caller's or MiniMax's verdict: fail the task
    AGAIN = "again"  # nothing came of it: ask again, or post a create again a few times; the engine counts
    LATER = "later"  # slow down, or wait until MiniMax can be reached: never a failure by itself
    UNKNOWN = "unknown"  # the create may have been accepted: never post it again blindly
    OPERATOR = "operator"  # key, region, plan, balance or address: the task waits, in plain sight


class Blame(StrEnum):
    """Whose doing it is that a call came to nothing. Nothing but an account and the provider is set aside for it."""

    CALLER = "caller"
    POLICY = "policy"
    ACCOUNT_KEY = "account_key"
    ACCOUNT_BALANCE = "account_balance"
    RATE = "rate"
    PROVIDER = "provider"
    UNKNOWN = "unknown"


class Cause(NamedTuple):
    """One row of the table: what to do, our error_code, our words for people, and whose doing it is."""

    outcome: Outcome
    code: str
    message: str
    blame: Blame


class MiniMaxError(Exception):
    """A call to MiniMax, a job or a download that came to nothing.

    Never an OSError, so that a full disk met while a clip is saved stays told apart from a broken download.
    """

    def __init__(
        self,
        outcome: Outcome,
        code: str,
        message: str,
        blame: Blame = Blame.UNKNOWN,
        provider_code: int | None = None,
        trace_id: str | None = None,
        said: str = "",
    ) -> None:
        """`said`: what the answer said, fit to be kept."""
        super().__init__(outcome, code, message, blame, provider_code, trace_id, said)
        self.outcome = outcome
        self.code = code
        self.message = message
        self.blame = blame
        self.said = said
        self.provider_code = provider_code
        self.trace_id = trace_id

    def __str__(self) -> str:
        return f"{self.code} ({self.outcome.value}): {self.message}"


class LinkExpired(MiniMaxError):
    """The download link is dead; asking MiniMax for the file again gives a fresh one."""


class CallRefused(MiniMaxError):
    """Nothing was sent, because an address of MiniMax's, or one that its link leads to, must not be called: `host`, and `why`."""

    def __init__(self, cause: Cause, *, host: str, why: str) -> None:
        super().__init__(*cause)
        self.host = host
        self.why = why


class Undecided(MiniMaxError):
    """Whether MiniMax accepted a create, and as which job, cannot be told: nothing may be adopted, nothing posted again."""


_INTERNAL = Cause(Outcome.AGAIN, "provider_error", "The video provider had an internal error.", Blame.PROVIDER)
# Of a code or status that nobody knows.
_ODD = _INTERNAL._replace(blame=Blame.UNKNOWN)
_TIMEOUT = Cause(Outcome.AGAIN, "provider_timeout", "The video provider did not answer in time.", Blame.PROVIDER)
RATE = Cause(Outcome.LATER, "rate_limit", "The video provider's rate limit is reached.", Blame.RATE)
# It takes no more work from anybody: nothing that a slower pace of ours would help.
_BUSY = RATE._replace(blame=Blame.PROVIDER)
ACCOUNT = Cause(Outcome.OPERATOR, "provider_auth", "The video provider does not accept this service's account.", Blame.ACCOUNT_KEY)
NO_ACCOUNT = Cause(
    Outcome.OPERATOR, "provider_auth", "This service has no account at the video provider that may make the video.", Blame.UNKNOWN
)
ACCOUNT_OFF = Cause(Outcome.OPERATOR, "provider_auth", "This service's account at the video provider is switched off.", Blame.UNKNOWN)
NO_KEY = Cause(Outcome.OPERATOR, "provider_auth", "This service's account at the video provider has no key.", Blame.UNKNOWN)
WRONG_ADDRESS = Cause(Outcome.OPERATOR, "provider_auth", "The video provider was not found at the configured address.", Blame.ACCOUNT_KEY)
QUOTA = Cause(Outcome.OPERATOR, "provider_quota", "This service's quota at the video provider is used up.", Blame.ACCOUNT_BALANCE)
_PROMPT = Cause(Outcome.FINAL, "content_policy_violation", "The video provider refused the request under its content policy.", Blame.POLICY)
OUTPUT_REFUSED = Cause(
    Outcome.FINAL, "content_policy_violation", "The video provider withheld the video under its content policy.", Blame.POLICY
)
_INVALID = Cause(Outcome.FINAL, "invalid_request", "The video provider refused the request's parameters as invalid.", Blame.CALLER)

UNREACHABLE = Cause(Outcome.LATER, "provider_error", "The video provider cannot be reached.", Blame.PROVIDER)
MAYBE_ACCEPTED = Cause(
    Outcome.UNKNOWN,
    "provider_timeout",
    "The video provider did not answer in time, and whether it took the request is not known.",
    Blame.PROVIDER,
)
UNDECIDED = MAYBE_ACCEPTED._replace(outcome=Outcome.FINAL, blame=Blame.UNKNOWN)
UNANSWERED = Cause(Outcome.AGAIN, "provider_error", "The video provider did not answer.", Blame.PROVIDER)
NONSENSE = Cause(Outcome.AGAIN, "provider_error", "The video provider gave an answer that makes no sense.", Blame.UNKNOWN)
JOB_FAILED = Cause(Outcome.FINAL, "provider_error", "The video provider failed to make the video.", Blame.UNKNOWN)
JOB_CANCELLED = Cause(Outcome.FINAL, "provider_error", "The video provider cancelled the video.", Blame.UNKNOWN)
JOB_EXPIRED = Cause(Outcome.FINAL, "provider_error", "The video provider let the request expire.", Blame.UNKNOWN)
JOB_GONE = Cause(Outcome.FINAL, "provider_error", "The video provider no longer knows the video.", Blame.UNKNOWN)
DOWNLOAD_BROKEN = Cause(Outcome.AGAIN, "provider_error", "The video could not be fetched from the video provider.", Blame.UNKNOWN)
DEAD_LINK = Cause(Outcome.AGAIN, "provider_error", "The video provider's link to the video has expired.", Blame.UNKNOWN)

_CODES = {
    1000: _INTERNAL,
    1013: _INTERNAL,
    1024: _INTERNAL,
    1033: _INTERNAL,
    1001: _TIMEOUT,
    1002: RATE,
    1039: RATE,
    1041: RATE,
    2045: RATE,
    2056: RATE,
    1004: ACCOUNT,
    2049: ACCOUNT,
    2038: ACCOUNT,
    2061: ACCOUNT,
    1008: QUOTA,
    1028: QUOTA,
    1030: QUOTA,
    1026: _PROMPT,
    1027: OUTPUT_REFUSED,
    2013: _INVALID,
    1042: _INVALID,
}

_HTTP = {
    400: _INVALID,
    413: _INVALID,
    422: _INVALID,
    401: ACCOUNT,
    403: ACCOUNT,
    402: QUOTA,
    404: WRONG_ADDRESS,
    405: WRONG_ADDRESS,
    410: WRONG_ADDRESS,
    429: RATE,
    503: _BUSY,
    529: _BUSY,
    # An API never redirects: this is the address of something else, or http where https is wanted.
    301: WRONG_ADDRESS,
    302: WRONG_ADDRESS,
    307: WRONG_ADDRESS,
    308: WRONG_ADDRESS,
}

# Answers that may come from a server which gave up waiting while the request behind it went on.
_GAVE_UP = frozenset({408, 499})


# V2 says some verdicts in words alone, and some codes at the end of its message: "invalid params, … (2013)".
_CODE_IN_WORDS = re.compile(r"\((\d{4})\)\W*$")
_CONTENT_WORDS = re.compile(r"sensitive|moderation|content[ _-]*(?:policy|safety|filter|violation)", re.IGNORECASE)
_OUTPUT_WORDS = re.compile(r"output|generated", re.IGNORECASE)


def code_in_words(words: str) -> int | None:
    """The status code that ends a message; None when none does that is known."""
    found = _CODE_IN_WORDS.search(words)
    return int(found[1]) if found and int(found[1]) in _CODES else None


def content_code(words: str) -> int | None:
    """The status code of a refusal whose words speak of its content; None when they do not."""
    if not _CONTENT_WORDS.search(words):
        return None
    return 1027 if _OUTPUT_WORDS.search(words) else 1026


def cause_of_code(code: int, *, creating: bool) -> Cause:
    """What a `base_resp.status_code` other than 0 means; one that nobody knows is treated as an internal error."""
    if creating and code == 1001:
        return MAYBE_ACCEPTED
    return _CODES.get(code, _ODD)


def cause_of_http(status: int, *, creating: bool) -> Cause:
    """What an HTTP status means when the body says nothing that can be used.

    A 4xx that has no row here was refused, and may be posted again; anything else may hide an accepted create.
    """
    if status in _HTTP:
        return _HTTP[status]
    if 400 <= status < 500 and status not in _GAVE_UP:
        return _ODD
    return MAYBE_ACCEPTED if creating else _INTERNAL


def cause_of_job(code: int | None) -> Cause:
    """Why a job ended as Fail: its answer's code where that is a verdict, else MiniMax's own failure."""
    cause = _CODES.get(code or 0)
    return cause if cause and cause.outcome is Outcome.FINAL else JOB_FAILED


def is_of_the_call(code: int | None) -> bool:
    """Whether a code says that the call itself was refused, and nothing of the job."""
    return bool(code) and _CODES.get(code or 0, _INTERNAL).outcome is not Outcome.FINAL


def is_content_verdict(code: int | None) -> bool:
    """Whether a code condemns the job itself, whatever status stands beside it."""
    return _CODES.get(code or 0) in (_PROMPT, OUTPUT_REFUSED)
