"""Which questions the doctor asks, and what it found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

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


_questions: list[Question] = []


def register(*questions: Question) -> None:
    """Ask these after those that are there."""
    for question in questions:
        if question.name in {known.name for known in _questions}:
            raise ValueError(f"The doctor asks about {question.name} already.")
        _questions.append(question)


def asked() -> Iterator[tuple[str, Finding]]:
    """Ask all of them, one after the other: what each is about, and what was found. A question that fails is a finding."""
    for question in _questions:
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
