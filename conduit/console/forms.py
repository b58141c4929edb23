"""What forms of the console share: the rules of the management API, in its words."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from keys.names import tidy_name


class RuledForm(forms.ModelForm):
    """Refuses what the management API would refuse, in its words."""

    problems: Callable[[Mapping[str, Any]], dict[str, str]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, problem in self.problems(cleaned).items():
            if name not in self.errors:
                self.add_error(name, problem)
        return cleaned


class NamedForm(forms.ModelForm):
    """Keeps names by the rule of keys.names."""

    def clean_name(self) -> str:
        try:
            return tidy_name(self.cleaned_data["name"])
        except ValueError as error:
            raise ValidationError(f"`name` {error}.") from error
