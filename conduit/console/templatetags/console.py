"""The pieces that pages of the console are made of: `{% load console %}`."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conduit.console.minimax.addresses import calls_address
from conduit.console.moments import day_and_time, time_of_day
from conduit.console.tasks.addresses import search_for, tasks_address
from conduit.console.written import span, usd
from conduit.rollups.steps import Span
from keys.price_factors import written
from tasks.models import TAIL_CHARACTERS

register = template.Library()
register.filter(usd)
register.filter(span)

# A shape beside each word, so that it reads without its colour.
_SHAPES = {"queued": "○", "processing": "◐", "completed": "●", "failed": "✕", "cancelled": "⊘", "waits": "▲"}


@register.inclusion_tag("console/parts/id.html")
def short_id(value: Any, what: str = "id") -> dict[str, str]:
    """The end of an id, with a button that copies the whole; `what` names it to screen readers."""
    return {"id": str(value), "tail": str(value)[-TAIL_CHARACTERS:], "what": what}


@register.inclusion_tag("console/parts/status.html")
def status(value: str, words: str = "") -> dict[str, str]:
    """A task's status, or `waits`, by shape, colour and word."""
    return {"colour": value, "shape": _SHAPES.get(value, "○"), "words": words or value}


# A key's state (keys.presentation.state_of) by the status whose colour and shape it has.
_KEY_STATES = {"active": "completed", "disabled": "cancelled", "expired": "waits", "deleted": "failed"}


@register.inclusion_tag("console/parts/status.html")
def key_state(value: str) -> dict[str, str]:
    """A key's state by shape, colour and word."""
    return status(_KEY_STATES.get(value, "queued"), value)


@register.simple_tag
def found_tasks(name: str, value: Any, *more: str) -> str:
    """The address of the tasks that a search finds: `{% found_tasks "key" 12 "status:active" %}`."""
    return tasks_address(" ".join([search_for({name: value}), *more]))


@register.filter
def factor(value: Decimal | None) -> str:
    """A price factor; 1 for none."""
    return written(value) or "1"


@register.simple_tag
def shape(value: str) -> SafeString:
    """The shape of a status alone, for pages that show it beside words of their own."""
    return format_html('<span aria-hidden="true">{}</span>', _SHAPES.get(value, "○"))


@register.filter
def decimal(value: str | None) -> Decimal | None:
    """An amount as rows have it, for `usd`."""
    return None if value is None else Decimal(value)


@register.inclusion_tag("console/parts/bar.html")
def bar(percent: int, label: str) -> dict[str, Any]:
    """A progress bar of 0 to 100."""
    return {"percent": max(0, min(100, int(percent))), "label": label}


@register.simple_tag
def moment(value: datetime | None) -> SafeString | str:
    """To the second, with its zone; `-` for none."""
    if value is None:
        return "-"
    value = value.astimezone(UTC)
    return format_html('<time class="nowrap" datetime="{}">{}</time>', value.isoformat(timespec="seconds"), day_and_time(value))


@register.filter
def id_tail(value: Any) -> str:
    """The end of an id, where a link says the rest."""
    return str(value)[-TAIL_CHARACTERS:]


@register.filter
def clock_time(value: datetime) -> str:
    """The time of a day that is told elsewhere."""
    return time_of_day(value)


@register.simple_tag
def amount(value: Decimal | None, address: str = "") -> SafeString:
    """Money as a way to what it counts; nothing leads nowhere, and is quiet."""
    if not value:
        return format_html('<span class="muted">{}</span>', "-" if value is None else "0")
    return format_html('<a href="{}">{}</a>', address, usd(value)) if address else format_html("{}", usd(value))


@register.simple_tag
def searched_tasks(search: str) -> str:
    """The address of the tasks that a whole search finds."""
    return tasks_address(search)


@register.simple_tag
def found_calls(of: Span, **narrowed: Any) -> str:
    """The address of the calls to MiniMax that a span counts: `{% found_calls span model="video-01" answer="rate" %}`."""
    return calls_address(of.name, **narrowed)


@register.filter
def lower_first(text: str) -> str:
    """For words that begin no sentence here."""
    return text[:1].lower() + text[1:]


@register.filter
def share(value: float) -> str:
    """A part of a whole (0 to 1) in percent, to a tenth: `99.1 %`. What is not all is never shown as all."""
    percent = min(value * 100, 99.9) if value < 1 else 100.0
    return f"{percent:.1f} %"


@register.filter
def number(value: int) -> str:
    """With a comma between thousands."""
    return f"{value:,}"
