"""What the document tells before its calls: sections and groups of calls, each said by its room, in their order."""

_sections: dict[str, tuple[int, str]] = {}
_tags: dict[str, tuple[int, str]] = {}


def section(title: str, words: str, *, order: int) -> None:
    """A part of the document's description, in Markdown."""
    _sections[title] = (order, words.strip())


def tag(name: str, about: str, *, order: int) -> None:
    """A group of calls."""
    _tags[name] = (order, about)


def story() -> str:
    return "\n\n".join(f"## {title}\n\n{words}" for title, (_, words) in sorted(_sections.items(), key=lambda item: item[1][0]))


def tags() -> dict[str, str]:
    return {name: about for name, (_, about) in sorted(_tags.items(), key=lambda item: item[1][0])}


section(
    "How calls look",
    """
Everything is JSON in snake_case over HTTPS. Send your key as `Authorization: Bearer condt_…` or as `X-API-Key`. A key sees its own tasks
alone: another key's task is 404.

Moments are RFC 3339 in UTC. Amounts are USD, as strings with four decimals. Answers may gain fields: leave out what you do not know. A
field or query parameter that a call does not know is 400 and named in `param`, but for lists of tasks and videos, which leave unknown
parameters out.

Lists are newest first. Go on with `after={last_id}` while `has_more` is true.

Each answer carries `X-Request-ID`. Browsers on any origin may call, unless the operator narrows that.
""",
    order=1,
)
section(
    "Errors",
    """
Every answer that is no success, for unknown paths, wrong methods (405 `method_not_allowed`, with `Allow`) and crashes too, is
`{"error": {"message", "type", "code", "param"}}`. Act on `code`; `message` is for people, and says what to do next. 429 and 503 say in
`Retry-After` when to come again. After a 5xx nothing was committed: send the same again, with an `Idempotency-Key` where you are careful.
""",
    order=2,
)
section(
    "Sending a call twice",
    """
With an `Idempotency-Key` a call is made once, however often it is sent: for 24 hours the same key and body get the first answer, with
`Idempotent-Replayed: true`. Another body is 409 `idempotency_conflict`. A refused call keeps nothing.
""",
    order=3,
)
