"""Prometheus's own tool finds nothing wrong with what is told and with the rules, and each alert fires. `make soak` installs it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from conduit.conditions.registry import registered as conditions
from conduit.metrics import alerts
from conduit.rollups.jobs import roll_up
from tests.support.ending import end

pytestmark = [pytest.mark.soak, pytest.mark.django_db]

RULES = Path(__file__).resolve().parents[2] / "ops/prometheus/conduit.rules.yml"


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *arguments], input=text, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_finds_nothing_wrong_with_what_is_told(consumer, scrape, own):
    for how in ("completed", "failed", "cancelled"):
        end(consumer.generate()["task_id"], how)
    roll_up()
    own.hand_in()

    assert promtool("check", "metrics", text=scrape().text) == ""


def test_it_finds_nothing_wrong_with_the_rules():
    said = promtool("check", "rules", str(RULES))

    assert f"{len(alerts.rules())} rules found" in said


def test_each_condition_that_holds_is_an_alert_and_one_that_does_not_is_none(tmp_path):
    """Two web processes are scraped, which tell the same: it is one alert."""
    tests = []
    for condition in conditions():
        rule = next(rule for rule in alerts.rules() if rule.alert == alerts.name_of(condition.name))
        series = f'conduit_condition_subjects{{condition="{condition.name}",severity="{rule.severity}",instance="%s",job="conduit"}}'
        labels = {"condition": condition.name, "severity": rule.severity, "job": "conduit"}
        alert = {"exp_labels": labels, "exp_annotations": annotations_of(rule)}
        tests.append({
            "interval": "5s",
            "input_series": [{"series": series % instance, "values": "0x11 2x60 0x60"} for instance in ("a", "b")],
            "alert_rule_test": [
                {"eval_time": "55s", "alertname": rule.alert, "exp_alerts": []},
                {"eval_time": "4m", "alertname": rule.alert, "exp_alerts": [alert]},
                {"eval_time": "7m", "alertname": rule.alert, "exp_alerts": []},
            ],
        })  # fmt: skip
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "5s", "tests": tests}))

    promtool("test", "rules", str(file))


def annotations_of(rule):
    written = re.search(rf"- alert: {rule.alert}\n.*?annotations:\n(.*?)(?=\n      - alert|\Z)", RULES.read_text(), re.DOTALL)
    pairs = (line.strip().split(": ", 1) for line in written[1].strip().splitlines())
    return {name: json.loads(value) for name, value in pairs}
