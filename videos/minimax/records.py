"""V2's record of a job, as its query and its list show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from videos.minimax import errors, reading
from videos.minimax.provider import Order


@dataclass(frozen=True)
class Record:
    """What is None the record does not show; words are without case and spaces."""

    task_id: str
    status: str
    model: str | None
    resolution: str | None
    ratio: str | None
    duration: str | None
    created_at: datetime | None
    prompt: str | None = field(repr=False)
    url: str | None = field(repr=False)
    error_code: int | None

    @classmethod
    def read(cls, value: object) -> Self | None:
        """None for what is no record: it lacks an id or a status."""
        facts = reading.mapping(value)
        # Lists may wrap each record as a query's answer does.
        facts = reading.mapping(facts.get("task")) or facts
        task_id, status = reading.identifier(facts.get("id")), reading.status(facts.get("status"))
        if task_id is None or status is None:
            return None
        return cls(
            task_id=task_id,
            status=status,
            model=reading.word(facts.get("model")),
            resolution=reading.word(facts.get("resolution")),
            ratio=reading.word(facts.get("ratio")),
            duration=reading.word(facts.get("duration")),
            created_at=reading.moment(facts.get("created_at")),
            prompt=_prompt(facts),
            url=_url(facts.get("content")),
            error_code=_error_code(reading.mapping(facts.get("error"))),
        )

    def may_be(self, order: Order) -> bool:
        """Whether nothing that the record shows contradicts the order."""
        wanted = (order.upstream, order.resolution, order.ratio, order.seconds)
        shown = (self.model, self.resolution, self.ratio, self.duration)
        alike = all(want is None or show is None or show == reading.word(want) for want, show in zip(wanted, shown, strict=True))
        return alike and self.prompt in (None, order.prompt)


def records_of(body: Mapping[str, object]) -> list[Record | None] | None:
    """The records of a page of the list, None in the place of one that cannot be read; None when this is no list."""
    nested = reading.mapping(body.get("data"))
    for holder in (body, nested):
        for name in ("items", "tasks", "data"):
            found = holder.get(name)
            if isinstance(found, list):
                return [Record.read(item) for item in found]
    return None


def _url(content: object) -> str | None:
    facts = reading.mapping(content)
    return reading.link(facts.get("url")) or reading.link(facts.get("video_url"))


def _prompt(facts: Mapping[str, object]) -> str | None:
    """The prompt, where the record shows what was asked for."""
    if isinstance(facts.get("prompt"), str):
        return str(facts["prompt"])
    asked = facts.get("content")
    texts = [reading.mapping(item).get("text") for item in asked] if isinstance(asked, list) else []
    return next((text for text in texts if isinstance(text, str)), None)


def _error_code(error: Mapping[str, object]) -> int | None:
    code, message = error.get("code"), str(error.get("message") or "")
    return reading.whole(code) or errors.code_in_words(message) or errors.content_code(f"{code} {message}")
