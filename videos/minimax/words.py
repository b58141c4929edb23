"""MiniMax's words for how a job stands, and those that its own pages, other versions and proxies use in their place. In any case."""

from videos.minimax.exchanges import WORD_MAX, plain
from videos.minimax.provider import JobState, Phase

_PHASES = {
    "preparing": Phase.PREPARING,
    "queueing": Phase.QUEUED,
    "queued": Phase.QUEUED,
    "processing": Phase.RUNNING,
    "running": Phase.RUNNING,
    **dict.fromkeys(("success", "succeeded", "succeed", "completed", "complete", "finished", "done"), Phase.SUCCEEDED),
    **dict.fromkeys(("fail", "failed", "failure", "error", "canceled", "cancelled", "expired", "timeout", "unknown"), Phase.FAILED),
}
CANCELLED = frozenset({"cancelled", "canceled"})
# What a version of MiniMax's own API says of a failed job. Others may be a proxy's word on the call itself.
MINIMAXS_OWN_FAILED = frozenset({"fail", "failed", "expired", *CANCELLED})
EXPIRED = "expired"


def phase_of(status: str) -> Phase | None:
    """None for a word that nobody knows."""
    return _PHASES.get(status.strip().casefold())


def unfinished(status: str) -> JobState:
    """The state of a job that is neither failed nor can be fetched: a word that says something else, or nothing, is told with it."""
    phase = phase_of(status)
    if phase in (Phase.PREPARING, Phase.QUEUED, Phase.RUNNING):
        return JobState(phase)
    word = plain(status, WORD_MAX) or "an empty word"
    return JobState(Phase.RUNNING, odd_word=f"{word}, without a file" if phase is Phase.SUCCEEDED else word)
