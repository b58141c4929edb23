"""The page at `/admin/`."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.response import TemplateResponse

from conduit.console.now.figures import SPAN_WORDS, STEP_WORDS, rows_of
from conduit.console.now.parts import MONEY_RIGHT, Part, Reader, are_for, parts
from conduit.console.pages import may, render
from conduit.rollups.steps import HOUR, SPANS
from keys.models import VirtualKey
from tasks.models import Task

RIGHT, PAUSE_RIGHT = "tasks.view_task", "tasks.pause_work"
EXAMPLE = """\
curl {url}/v1/video/generations -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{{"model": "minimax-video", "prompt": "a paper boat sails down a rainy street at dusk"}}'"""


def now_page(request: HttpRequest) -> TemplateResponse:
    """What needs somebody and what happens, for people who may see tasks. It shows parts that its socket keeps as they are."""
    span = SPANS.get(request.GET.get("span", ""), HOUR)
    all_parts = parts(Reader().figures([span.name]))  # what one has just done shows at once
    shown = are_for(all_parts, span.name, sees_money=may(request, MONEY_RIGHT))
    operator = ".operator" if may(request, PAUSE_RIGHT) else ""
    context = {
        "span": span,
        "spans": [{"name": name, "words": words, "here": name == span.name} for name, words in SPAN_WORDS.items()],
        "parts": {name.rpartition(":")[2]: _part(name, all_parts[name]) for name in shown}
        | {"steering": _part(f"steering{operator}", all_parts[f"steering{operator}"])},
        "step": STEP_WORDS[span.name],
        "chart_rows": rows_of(all_parts[f"{span.name}:chart"].content),
        "begins": _first_steps(request),
    }
    return render(request, "console/now/now.html", context, title="Now")


def _part(name: str, part: Part) -> dict[str, Any]:
    return {"name": name, "content": part.content}


def _first_steps(request: HttpRequest) -> dict[str, Any] | None:
    """What to do first, while there is no task."""
    if Task.objects.exists():
        return None
    return {
        "has_key": VirtualKey.objects.exists(),
        "may_make_keys": may(request, "keys.add_virtualkey"),
        "example": EXAMPLE.format(url=settings.PUBLIC_URL),
    }
