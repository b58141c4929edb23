"""What can be wrong between us and MiniMax, as the tasks themselves tell it: by their stages and by what their steps were refused for."""

from datetime import timedelta

from django.db.models import Count, Q

from conduit import clock
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from tasks.models import Task, TaskQuerySet
from videos.models import Exchange
from videos.stages import Stage

# A step that failed so many times in a row is no single bad answer any more.
FAILURES = 3
# Rates are met in passing all the time; what they hold for longer than this (seconds) is held.
HELD_SECONDS = 30

_FOUND_BY_STAGE = "MiniMax refused the last call of each of these tasks, which try again until OPERATOR_SECONDS_MAX is over."
_LIST = "tasks/?q=stage:{}"


def _waiting(tasks: TaskQuerySet) -> Findings:
    waiting = tasks.active()
    count = waiting.count()
    if not count:
        return {}
    return {"": f"{count} task{'s' if count > 1 else ''} wait{'' if count > 1 else 's'}.{_answered(waiting)}"}


def _answered(tasks: TaskQuerySet) -> str:
    """What MiniMax said to one of them last, with its code."""
    task_id = tasks.order_by("-pk").values_list("pk", flat=True).first()
    said = Exchange.objects.errors().filter(video=task_id).first()
    if said is None:
        return ""
    if said.http is None:
        return f" The last call had no answer ({said.message})."
    words = f" ({said.message})" if said.message else ""
    return f" MiniMax's answer was {f'code {said.code}' if said.code else f'HTTP {said.http}'}{words}."


def _held_by_rate() -> Findings:
    """By the model that was asked for: each has a rate of its own."""
    long_held = Q(stage=Stage.WAITING_FOR_RATE_LIMIT, stage_since__lt=clock.now() - timedelta(seconds=HELD_SECONDS))
    held = Task.objects.active().filter(long_held | Q(trouble="rate_limit", attempts__gte=FAILURES)).order_by()
    counts = held.values_list("model").annotate(Count("pk"))
    return {model: f"{count} task{'s' if count > 1 else ''} held." for model, count in counts}


CONDITIONS = (
    Condition(
        name="minimax_key",
        severity=Severity.DEGRADED,
        says="MiniMax does not accept our account.",
        found_by=_FOUND_BY_STAGE,
        what_to_do="Set a MiniMax key that is accepted (MINIMAX_API_KEY, MINIMAX_BASE_URL of its region, OUTBOUND_ALLOWED where "
        "that is not public).",
        look=lambda: _waiting(Task.objects.filter(stage=Stage.WAITING_FOR_PROVIDER_KEY)),
        leads_to=_LIST.format(Stage.WAITING_FOR_PROVIDER_KEY),
    ),
    Condition(
        name="minimax_balance",
        severity=Severity.DEGRADED,
        says="The balance or quota at MiniMax is used up.",
        found_by=_FOUND_BY_STAGE,
        what_to_do="Top up the balance or quota of the MiniMax account.",
        look=lambda: _waiting(Task.objects.filter(stage=Stage.WAITING_FOR_PROVIDER_BALANCE)),
        leads_to=_LIST.format(Stage.WAITING_FOR_PROVIDER_BALANCE),
    ),
    Condition(
        name="minimax_reach",
        severity=Severity.DEGRADED,
        says="MiniMax cannot be reached, or answers with errors.",
        found_by=f"Steps of these tasks failed {FAILURES} times in a row or more.",
        what_to_do="See MiniMax's status page, and that workers reach MINIMAX_BASE_URL; their logs hold its codes and trace ids.",
        look=lambda: _waiting(Task.objects.filter(trouble__in=("provider_error", "provider_timeout"), attempts__gte=FAILURES)),
        leads_to="tasks/?q=refused:provider_error,provider_timeout",
    ),
    Condition(
        name="minimax_rate",
        severity=Severity.NOTICE,
        says="MiniMax's rate limit holds tasks up.",
        found_by=f"MiniMax has refused their calls for its rate for more than {HELD_SECONDS} seconds.",
        what_to_do="Nothing at once: they go on as the rate allows. Ask MiniMax for a higher one if this lasts.",
        look=_held_by_rate,
        leads_to=_LIST.format(Stage.WAITING_FOR_RATE_LIMIT),
    ),
)
