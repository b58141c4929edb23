"""Which questions the doctor asks, and what it found."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from conduit.conditions import Severity

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. Nothing secret: it is printed, and kept in tickets."""

    says: str  # a sentence
    severity: Severity | None = None  # None: it is well
    what_to_do: str = ""

    @property
    def word(self) -> str:
        return self.severity.word if self.severity else "well"


@dataclass(frozen=True)
class Question:
    name: str  # what it is about, such as `database`
    look: Callable[[], Iterable[Finding]]
    takes_long: bool = False  # it reads all rows of something: asked from a terminal alone


_questions: list[Question] = []


def register(*questions: Question) -> None:
    """Ask these after those that are there."""
    for question in questions:
        if question.name in {known.name for known in _questions}:
            raise ValueError(f"The doctor asks about {question.name} already.")
        _questions.append(question)


def questions() -> tuple[Question, ...]:
    """In the order in which they are asked."""
    return tuple(_questions)


def asked(*, takes_long: bool = True) -> Iterator[tuple[str, Finding]]:
    """Ask them, one after the other: what each is about, and what was found. A question that fails is a finding.

    `takes_long`: those too that do.
    """
    for question in _questions:
        if question.takes_long and not takes_long:
            continue
        try:
            for finding in question.look():
                yield question.name, finding
        except Exception as error:
            log.debug("the doctor could not look", about=question.name, exc_info=True)
            yield (
                question.name,
                Finding(
                    f"It could not be looked at: {type(error).__name__}.",
                    Severity.UNAVAILABLE,
                    "See what else is not well here; LOG_LEVEL=DEBUG tells more.",
                ),
            )


def report(found: Sequence[tuple[str, Finding]]) -> dict[str, Any]:
    """What was found, for programs: the worst of it, and each."""
    worst = max((finding.severity for _, finding in found if finding.severity), default=None)
    return {"status": worst.word if worst else "well", "findings": [_shown(about, finding) for about, finding in found]}


def _shown(about: str, finding: Finding) -> dict[str, str | None]:
    return {"about": about, "status": finding.word, "says": finding.says, "what_to_do": finding.what_to_do or None}
