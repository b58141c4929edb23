"""The calls to MiniMax that Now counts: how many went how, and the newest of those that are kept, each with its task."""

import re
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from conduit import clock
from conduit.console.minimax.addresses import NO_MODEL, calls_address
from conduit.console.now.figures import SPAN_WORDS
from conduit.console.pages import page, render
from conduit.console.tasks.addresses import task_address
from conduit.rollups.steps import HOUR, SPANS, Span
from videos import exchanges
from videos.call_counts import answer_of
from videos.exchanges import LOOKED_AT, Wanted
from videos.rollup_models import CallCount
from videos.rollups import calls

Answer = CallCount.Answer
# Exchanges of one page.
SHOWN = 100
MODEL_MAX = 100
_WORDS = {Answer.FINE: "answered well", Answer.RATE: "refused for its rate", Answer.ERROR: "refused", Answer.NONE: "not answered"}
_SHAPES = {Answer.FINE: "completed", Answer.RATE: "waits", Answer.ERROR: "failed", Answer.NONE: "failed"}


@dataclass(frozen=True)
class Asked:
    """An address that was read."""

    span: Span
    wanted: Wanted

    def address(self, *, span: Span | None = None, **narrowed: Any) -> str:
        """This page with some of what it asks for changed; None leaves a part out."""
        wanted = replace(self.wanted, **narrowed)
        return calls_address((span or self.span).name, model=wanted.upstream, answer=wanted.answer, code=wanted.code)


@page("minimax/calls/", name="minimax-calls", rights="tasks.view_task")
def calls_page(request: HttpRequest) -> HttpResponseBase:
    asked, now = _asked(request), clock.now()
    counted = calls(asked.span, now, upstream=asked.wanted.upstream, answer=asked.wanted.answer, code=asked.wanted.code)
    listed = exchanges.newest(asked.wanted, since=asked.span.since(now), most=SHOWN)
    context = {
        "span": asked.span,
        "spans": [{"name": name, "words": words, "address": asked.address(span=SPANS[name])} for name, words in SPAN_WORDS.items()],
        "span_words": SPAN_WORDS[asked.span.name],
        "chips": _chips(asked),
        "rows": [_row(asked, one) for one in counted],
        "total": sum(one.count for one in counted),
        "listed": [(one, task_address(one.video_id), _shown(answer_of(one)[0])) for one in listed.rows],
        "is_whole": listed.is_whole,
        "shown": SHOWN,
        "looked_at": LOOKED_AT,
        "kept_days": settings.EXCHANGES_KEPT_DAYS,
    }
    return render(request, "console/minimax/calls.html", context, title="Calls to MiniMax")


def _asked(request: HttpRequest) -> Asked:
    """What is none of what there may be narrows by nothing."""
    model, answer, code = (request.GET.get(name, "") for name in ("model", "answer", "code"))
    upstream = "" if model == NO_MODEL else model.replace("\0", "")[:MODEL_MAX] or None
    return Asked(
        SPANS.get(request.GET.get("span", ""), HOUR),
        Wanted(
            upstream=upstream,
            answer=Answer(answer) if answer in Answer.values else None,
            code=int(code) if re.fullmatch(r"\d{1,6}", code, re.ASCII) else None,
        ),
    )


def _chips(asked: Asked) -> list[tuple[str, str]]:
    """What the page is narrowed by, each with the address without it."""
    wanted = asked.wanted
    chips = [
        ("about no model" if wanted.upstream == "" else f"model {wanted.upstream}", "upstream", wanted.upstream),
        (_WORDS[wanted.answer] if wanted.answer else "", "answer", wanted.answer),
        (f"code {wanted.code}" if wanted.code else "no code", "code", wanted.code),
    ]
    return [(words, asked.address(**{name: None})) for words, name, value in chips if value is not None]


def _row(asked: Asked, one: Any) -> dict[str, Any]:
    """A count with the addresses that narrow to it."""
    return {
        "one": one,
        "shown": _shown(one.answer),
        "model": asked.address(upstream=one.upstream),
        "answer": asked.address(answer=one.answer),
        "code": asked.address(code=one.code, answer=one.answer),
        "all": asked.address(upstream=one.upstream, answer=one.answer, code=one.code),
    }


def _shown(answer: Any) -> tuple[str, str]:
    """The status by which an answer is coloured, and its words."""
    return _SHAPES[Answer(answer)], _WORDS[Answer(answer)]
