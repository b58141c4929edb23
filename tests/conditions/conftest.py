"""Conditions of a test's own, in a table that is put back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from conduit.conditions import Condition, Severity, registry, reports
from conduit.conditions.reading import State, place


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_conditions", dict(registry._conditions))
    monkeypatch.setattr(reports, "_said", {})


@pytest.fixture
def quiet_table(table: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at but what the test registers."""
    unseen = {name: replace(condition, look=None) for name, condition in registry._conditions.items()}
    monkeypatch.setattr(registry, "_conditions", unseen)


@pytest.fixture
def condition() -> Callable[..., Condition]:
    """Registers one: `condition("tea", look=lambda: {"pot": "is cold"})`."""

    def make(name: str, severity: Severity = Severity.DEGRADED, **given: Any) -> Condition:
        texts = {"says": f"No {name}.", "found_by": "Somebody looks.", "what_to_do": f"Get {name}."}
        made = Condition(name=name, severity=severity, **(texts | given))
        registry.register(made)
        return made

    return make


def state(name: str) -> State:
    return next(state for state in place().states if state.condition.name == name)


def details(name: str) -> dict[str, str]:
    """What it holds for."""
    return {subject.subject: subject.detail for subject in state(name).subjects}
