"""Forms of the console, with the rules of the management API."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from rest_framework import serializers

from conduit.console.forms import NamedForm, RuledForm
from keys import budgets, choices, corrections
from keys.choices import ModelsField, SizeChoiceField
from keys.models import Budget, ManagementKey, Scope, Team, UsageCost, VirtualKey, all_scopes
from keys.requests import budget_problems, check_future, first_words, limit_problems, management_key_problems, team_problems


class ListField(forms.CharField):
    """A list of short texts, written with commas between them."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        return value if isinstance(value, list) else [text.strip() for text in (value or "").split(",") if text.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class IPRangesField(ListField):
    def __init__(self) -> None:
        words = "Addresses or networks, such as 10.0.0.0/8, with commas between them. Empty: anywhere."
        super().__init__(required=False, label="IP ranges", help_text=words)


class SharesForm(forms.ModelForm):
    """What says how big a share is, and has a value at all times, may be left out: it stays as it is."""

    kept: tuple[str, ...] = ("weight",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.kept:
            if name in self.fields:
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        for name in self.kept:
            if name in self.cleaned_data and self.cleaned_data[name] in (None, ""):
                self.cleaned_data[name] = getattr(self.instance, name)
        return super().clean() or {}


class TeamForm(NamedForm, SharesForm, RuledForm):
    problems = staticmethod(team_problems)

    class Meta:
        model = Team
        fields = ["name", "price_factor", "weight", "contact_email"]


class ManagementKeyForm(NamedForm, RuledForm):
    problems = staticmethod(management_key_problems)

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=all_scopes, help_text="What a program with this key may do."
    )
    ip_ranges = IPRangesField()

    class Meta:
        model = ManagementKey
        fields = ["name", "enabled", "expires_at", "scopes", "ip_ranges", "calls_per_minute"]

    def clean_expires_at(self) -> datetime | None:
        return _future(self, "expires_at")


class KeyForm(NamedForm, SharesForm, RuledForm):
    problems = staticmethod(limit_problems)
    kept = ("weight", "priority", "over_limit")

    model_names = ModelsField()
    largest_resolution = SizeChoiceField()
    ip_ranges = IPRangesField()

    class Meta:
        model = VirtualKey
        exclude: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices.offer(self, self.instance)

    def clean_expires_at(self) -> datetime | None:
        return _future(self, "expires_at")


class BudgetForm(RuledForm):
    problems = staticmethod(budget_problems)

    class Meta:
        model = Budget
        fields = ["period", "time_zone", "amount", "raised_to", "raised_until"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # Another period, or another beginning of its days, would count from zero what was already spent.
            self.fields["period"].disabled = self.fields["time_zone"].disabled = True

    def clean_raised_until(self) -> datetime | None:
        return _future(self, "raised_until")


def _future(form: forms.ModelForm, name: str) -> datetime | None:
    """A new end must be ahead; one that has passed since it was written stays as it is."""
    moment = form.cleaned_data[name]
    try:
        return check_future(moment, name) if name in form.changed_data else moment
    except serializers.ValidationError as error:
        raise ValidationError(first_words(error.detail)) from error


class BudgetFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        kept = [form.cleaned_data for form in self.forms if form.is_valid() and form.cleaned_data and form not in self.deleted_forms]
        if len({budgets.name_of(**budget) for budget in kept}) < len(kept):
            raise ValidationError("There may be one total, and one budget for each period and time zone.")


class CorrectionForm(forms.ModelForm):
    """A row that an administrator adds to the ledger."""

    entry = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in corrections.KINDS],
        help_text="Refund: gives back what a task was charged. Credit: the key may spend more. Adjustment: corrects what it spent.",
    )
    key = forms.ModelChoiceField(VirtualKey.objects.all(), required=False, help_text="Of a credit or an adjustment.")
    task_id = forms.UUIDField(required=False, label="Task", help_text="Of a refund.")
    why = forms.CharField(max_length=200)
    form_id = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)

    class Meta:
        model = UsageCost
        fields = ["entry", "key", "task_id", "amount", "why", "form_id"]

    def _get_validation_exclusions(self) -> set[str]:
        """A form that is sent again breaks no rule: corrections.correct answers it with the row that it added."""
        return {*super()._get_validation_exclusions(), "form_id", "task_id"}  # type: ignore[misc]  # the stubs leave it out

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            refused = self._refund(cleaned) if cleaned["entry"] == UsageCost.Entry.REFUND else self._of_key(cleaned)
            for name, words in refused.items():
                self.add_error(name, words)
        return cleaned

    @staticmethod
    def _refund(cleaned: dict[str, Any]) -> dict[str, str]:
        if before := corrections.sent_before(cleaned["form_id"]):
            cleaned["key"] = before.key
            return {}
        charge = corrections.charge_of(cleaned["task_id"]) if cleaned["task_id"] else None
        if charge is None:
            return {"task_id": "A refund needs the id of a task that was charged, and is given once."}
        cleaned["key"] = charge.key
        within = 0 < cleaned["amount"] <= charge.amount
        return {} if within else {"amount": f"This task was charged {charge.amount} USD: refund that much or a part of it."}

    @staticmethod
    def _of_key(cleaned: dict[str, Any]) -> dict[str, str]:
        refused = {}
        if cleaned["key"] is None:
            refused["key"] = "A credit or an adjustment needs a key."
        if cleaned["task_id"] is not None:
            refused["task_id"] = "A credit or an adjustment belongs to the key alone: leave this empty."
        if cleaned["entry"] == UsageCost.Entry.CREDIT and cleaned["amount"] <= 0:
            refused["amount"] = "A credit is more than 0. An adjustment may be negative."
        if not cleaned["amount"]:
            refused["amount"] = "A correction of 0 corrects nothing. An adjustment may be negative."
        return refused
