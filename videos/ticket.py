"""What is written to MiniMax's support about a task: a pure function of what is stored. It holds no secret (videos.minimax.exchanges)."""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings

from videos.exchange_models import Exchange
from videos.minimax.exchanges import place_of
from videos.models import Clip
from videos.story import Story


def ticket(story: Story) -> str:
    """Ids, trace ids, times in UTC, codes, what was asked and answered, oldest first."""
    return "\n".join(_lines(story)) + "\n"


def _lines(story: Story) -> Iterator[str]:
    task = story.task
    addresses = {clip.account.address if clip.account else settings.MINIMAX_BASE_URL for clip in story.told.clips}
    places = " and ".join(sorted(map(place_of, addresses or {settings.MINIMAX_BASE_URL})))
    yield f"A video generation at {places} that we ask you to look into. All times are UTC."
    yield ""
    yield f"Our id: {task.pk}"
    yield f"Asked: {_moment(task.created_at)}; {task.status}{f' {_moment(task.ended_at)}' if task.ended_at else ''}"
    if verdict := story.verdict:
        yield f"What you answered last: {_answer(verdict)}"
    yield from (_job(story.told.names[clip.number], clip) for clip in story.told.clips if clip.sent_at or clip.provider_task_id)
    yield f"Prompt: {task.video.prompt}"
    yield ""
    exchanges = story.told.exchanges
    yield "The calls, oldest first:" if exchanges else "The calls are no longer kept."
    for exchange in sorted(exchanges, key=lambda each: (each.first_at, each.pk)):
        yield from _call(exchange)


def _job(name: str, clip: Clip) -> str:
    asked = f"{clip.seconds} s {clip.resolution}".rstrip() if clip.makes == Clip.Makes.VIDEO else "image"
    ids = [f"task_id {clip.provider_task_id}"] if clip.provider_task_id else ["no task_id was answered"]
    ids += [f"file_id {clip.file_id}"] if clip.file_id else []
    account = f", account {clip.account}" if clip.account else ""
    return f"{name}: model {clip.upstream}, {asked}, {', '.join(ids)}, sent {_moment(clip.sent_at)}{account}"


def _call(exchange: Exchange) -> Iterator[str]:
    when = _moment(exchange.first_at)
    if exchange.count > 1:
        when += f" to {_moment(exchange.last_at)}, {exchange.count} times"
    yield f"- {when}: {exchange.method} {exchange.path}"
    yield f"  {_answer(exchange)}, {exchange.milliseconds} ms"
    if exchange.request:
        yield f"  sent: {exchange.request}"
    if exchange.answer:
        yield f"  answered: {exchange.answer}"


def _answer(exchange: Exchange) -> str:
    parts = [f"HTTP {exchange.http}" if exchange.http is not None else "no answer"]
    parts += [f"status_code {exchange.code}"] if exchange.code is not None else []
    parts += [f"status {exchange.status}"] if exchange.status else []
    parts += [f'"{exchange.message}"'] if exchange.message else []
    parts += [f"Trace-Id {exchange.trace_id}"] if exchange.trace_id else []
    return ", ".join(parts)


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if moment else "at an unknown time"
