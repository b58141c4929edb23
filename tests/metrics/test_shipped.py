"""What is shipped with it: rules, runbook, dashboard and document tell of the same metrics and conditions as the place does."""

import json
import re
from pathlib import Path

import pytest

from conduit.conditions.registry import registered as conditions
from conduit.console.now.parts import Reader
from conduit.doctor.place import nothing_holds
from conduit.metrics import alerts
from conduit.metrics.document import brought_up_to_date
from conduit.metrics.registry import Metric, registered

ROOT = Path(__file__).resolve().parents[2]
RULES = (ROOT / "ops/prometheus/conduit.rules.yml").read_text()
DASHBOARD = json.loads((ROOT / "ops/grafana/conduit.json").read_text())
DOCUMENT = (ROOT / "docs/metrics.md").read_text()


def test_the_rules_and_the_document_are_written_from_what_is_registered():
    assert alerts.text() == RULES, "run manage.py alert_rules --write"
    assert brought_up_to_date(DOCUMENT) == DOCUMENT, "run manage.py alert_rules --write"


@pytest.mark.django_db
def test_rules_doctor_and_now_read_every_row_of_the_table():
    names = {condition.name for condition in conditions()}

    assert {re.search('condition="(.*?)"', rule.expr)[1] for rule in alerts.rules() if "condition=" in rule.expr} == names
    assert {state.condition.name for state in Reader().figures([]).place.states} == names
    told = {finding.says.partition(":")[0].partition(" (")[0] for finding in nothing_holds()}
    assert told == names


def test_every_alert_has_its_line_in_the_runbook_and_an_end_to_its_sentences():
    for rule in alerts.rules():
        assert f"| `{rule.alert}` | {rule.severity} |" in DOCUMENT
        assert rule.says.endswith(".")
        assert rule.what_to_do.endswith((".", ")"))


def test_every_metric_that_dashboard_and_rules_name_exists():
    series = {name for metric in registered() for name in names_of(metric)}
    used = set(re.findall(r"conduit_[a-z_]+", RULES))
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    used |= {name for expression in expressions for name in re.findall(r"conduit_[a-z_]+", expression)}

    assert used - series == set()
    assert len(expressions) > 40


def test_panels_of_the_dashboard_have_ids_and_places_of_their_own():
    panels = DASHBOARD["panels"]
    cells = [
        (x, y)
        for panel in panels
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def names_of(metric: Metric) -> set[str]:
    """As they stand in expressions."""
    ends = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
    return {f"{metric.name}{end}" for end in ends}
