"""The form of an account in the console, with the rules of the management API."""

from collections.abc import Mapping
from typing import Any

from django import forms

from conduit.console.forms import NamedForm, RuledForm
from keys.choices import ModelsField
from videos.account_models import ProviderAccount
from videos.accounts import rules
from videos.inputs import all_roles

FIELDS = [
    *("name", "kind", "base_url", "key", "state", "model_names", "input_roles", "weight"),
    *("creates_per_minute", "jobs_in_flight", "monthly_limit"),
]


class AccountForm(NamedForm, RuledForm):
    """The key is typed, and never shown: left empty, the one that there is stays."""

    key = forms.CharField(required=False, widget=forms.PasswordInput(attrs={"autocomplete": "off"}))
    model_names = ModelsField()
    input_roles = forms.MultipleChoiceField(
        required=False,
        label="Pictures",
        choices=[(role, role.replace("_", " ").capitalize()) for role in all_roles()],
        initial=all_roles,
        widget=forms.CheckboxSelectMultiple,
        help_text="What a clip may be given with it beside the prompt. A video of several clips goes on from first frames.",
    )

    class Meta:
        model = ProviderAccount
        fields = [name for name in FIELDS if name != "key"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "model_names" in self.fields:
            self.fields["model_names"].help_text = "Those that it may make. None ticked: all of its kind."
            self.fields["model_names"].offer(self.instance.model_names or [])  # type: ignore[attr-defined] # a ModelsField
        if "key" in self.fields:
            self.fields["key"].required = not self.instance.pk
            self.fields["key"].help_text = "Of the account at MiniMax. It is stored sealed, and never shown again." + (
                " Empty: the one that there is stays." if self.instance.pk else ""
            )
        if "base_url" in self.fields:
            self.fields["base_url"].required = True

    def problems(self, fields: Mapping[str, Any]) -> dict[str, str]:
        return rules.problems(fields, account=self.instance if self.instance.pk else None)
