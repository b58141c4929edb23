"""The parts of docs/metrics.md that are written from what is registered: every metric, and what to do for every alert."""

from collections.abc import Iterable

from conduit.metrics import alerts
from conduit.metrics.registry import registered

_BEGIN, _END = "<!-- {}: written by `manage.py alert_rules --write` -->", "<!-- end of {} -->"


def brought_up_to_date(document: str) -> str:
    """The document with these parts as they are now; ValueError when it has no place for one."""
    for part, rows in (("metrics", _metrics()), ("runbook", _runbook())):
        begin, end = _BEGIN.format(part), _END.format(part)
        before, found, rest = document.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"The document has no place for the {part}.")
        document = "\n".join([before + begin, "", *rows, "", end + after])
    return document


def _metrics() -> Iterable[str]:
    yield "| metric | labels | is |"
    yield "|---|---|---|"
    for metric in registered():
        yield f"| `{metric.name}` | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.says} |"


def _runbook() -> Iterable[str]:
    yield "| alert | severity | says | what to do |"
    yield "|---|---|---|---|"
    for rule in alerts.rules():
        yield f"| `{rule.alert}` | {rule.severity} | {rule.says} | {rule.what_to_do} |"
