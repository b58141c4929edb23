"""Alert rules for Prometheus: one for each row of the table of conditions, and a few of figures that no condition watches.

`ops/prometheus/conduit.rules.yml` is what `text` writes: a condition that is registered has its rule there, and its line in the runbook
(conduit.metrics.document), with the next `manage.py alert_rules --write`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from conduit.conditions.registry import Condition, Severity, registered

RUNBOOK = "docs/metrics.md#runbook"
# How long it holds before somebody is called. Conditions come slowly enough by themselves; what is graver comes sooner.
_FOR = {Severity.UNAVAILABLE: "15s", Severity.DEGRADED: "30s", Severity.NOTICE: "2m"}


@dataclass(frozen=True)
class Rule:
    """An alert. What web processes tell is the same at each: `without (instance)` takes it once."""

    alert: str
    severity: str
    lasts: str  # before it is told
    expr: str
    says: str
    found_by: str
    what_to_do: str


def rules() -> list[Rule]:
    return [*map(_of_condition, registered()), *_OF_FIGURES]


def name_of(condition: str) -> str:
    """The alert of a condition, such as ConduitLateSteps."""
    return "Conduit" + "".join(word.capitalize() for word in condition.split("_"))


def _of_condition(condition: Condition) -> Rule:
    return Rule(
        alert=name_of(condition.name),
        severity=condition.severity.word,
        lasts=_FOR[condition.severity],
        expr=f'max without (instance) (conduit_condition_subjects{{condition="{condition.name}"}}) > 0',
        says=condition.says,
        found_by=condition.found_by,
        what_to_do=condition.what_to_do,
    )


def _share(of: str, what: str, minutes: int = 10) -> str:
    """The share of what was counted that has these labels, of the last minutes."""
    return " / ".join(f"sum(max without (instance) (increase({of}{labels}[{minutes}m])))" for labels in (what, ""))


_OF_FIGURES = (
    Rule(
        alert="ConduitNotScraped",
        severity="unavailable",
        lasts="1m",
        expr="absent(conduit_condition_subjects)",
        says="No web process tells how the place is: nothing else here can be known.",
        found_by="Prometheus has no figures of Conduit.",
        what_to_do="See that web processes are at work (`/health/live`), that Prometheus reaches one, and that it shows METRICS_TOKEN.",
    ),
    Rule(
        alert="ConduitFiguresMissing",
        severity="degraded",
        lasts="1m",
        expr="max without (instance) (conduit_reading_failed) > 0 or min without (instance) (conduit_figures_age_seconds) > 60",
        says="Figures of the whole place cannot be read, or are old: what is told of it is not how it is.",
        found_by="A web process that read them failed, or none has for a minute.",
        what_to_do="See the web processes' log for `figures not read`.",
    ),
    Rule(
        alert="ConduitRequestsFail",
        severity="degraded",
        lasts="5m",
        expr=_share("conduit_requests_total", '{status=~"5.."}') + " > 0.02",
        says="More than 2 % of requests are answered with an error of ours.",
        found_by="Statuses of 500 and more among the requests of ten minutes.",
        what_to_do="See which routes have them (dashboard, Requests), and the web processes' log by `status`.",
    ),
    Rule(
        alert="ConduitTasksFail",
        severity="degraded",
        lasts="5m",
        expr=_share("conduit_tasks_ended_total", '{status="failed",cause!~"content_policy_violation|invalid_request"}', 30)
        + " > 0.1 and sum(max without (instance) (increase(conduit_tasks_ended_total[30m]))) > 20",
        says="More than a tenth of tasks fail, and not for what was asked.",
        found_by="Tasks that ended within half an hour, where there were twenty or more.",
        what_to_do="See why (dashboard, Tasks; Now, causes): a cause leads to its tasks, and those to MiniMax's answers.",
    ),
    Rule(
        alert="ConduitEventLoopLate",
        severity="degraded",
        lasts="2m",
        expr="max without (instance) (conduit_event_loop_lag_seconds) > 1",
        says="A web process's event loop is late: everything that it answers waits for that.",
        found_by="It looks ten times a second how late it comes to its turn.",
        what_to_do="See whether its host's processors are used up: start more web processes, or give it more of them.",
    ),
)


def text() -> str:
    """The file of rules."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Written by `manage.py alert_rules --write`: change the table of conditions (conduit.conditions), or conduit/metrics/alerts.py."
    yield "groups:"
    yield "  - name: conduit"
    yield "    rules:"
    for rule in rules():
        yield f"      - alert: {rule.alert}"
        yield f"        expr: {_quoted(rule.expr)}"
        yield f"        for: {rule.lasts}"
        yield "        labels:"
        yield f"          severity: {rule.severity}"
        yield "        annotations:"
        yield f"          summary: {_quoted(rule.says)}"
        yield f"          description: {_quoted(f'{rule.found_by} What to do: {rule.what_to_do}')}"
        yield f"          runbook: {_quoted(f'{RUNBOOK}: {rule.alert}')}"
    yield ""


def _quoted(text: str) -> str:
    """JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False)
