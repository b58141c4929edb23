"""The form of an endpoint, by the rules of the API."""

from typing import Any

from django import forms
from rest_framework.exceptions import ValidationError as Refused

from keys.models import Team, VirtualKey
from keys.requests import first_words
from tasks.notifications import event_types, fields
from tasks.notifications.models import NAME_CHARACTERS, Endpoint


class EndpointForm(forms.Form):
    name = forms.CharField(max_length=NAME_CHARACTERS, help_text="For people.")
    url = forms.CharField(label="Address", max_length=2000, help_text="Such as https://example.com/hooks. It must be public.")
    event_types = forms.MultipleChoiceField(
        label="Told of", choices=[(name, name) for name in event_types.ALL], widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, is_place: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_place = is_place

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                return fields.new_endpoint(found, is_place=self._is_place)
            except Refused as refused:
                [(name, words)] = list(refused.detail.items())[:1]  # type: ignore[union-attr] # one of a serializer
                self.add_error(name, first_words(words))
        return found


def owner_of(query: Any) -> dict[str, VirtualKey | Team]:
    """Whose a new endpoint shall be, by what the address says: `key`, `team`, or neither."""
    for name, rows in (("key", VirtualKey.objects.filter(deleted_at=None)), ("team", Team.objects.all())):
        text = query.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 19 and (row := rows.filter(pk=int(text)).first()):
            return {name: row}
    return {}


def initial(endpoint: Endpoint) -> dict[str, Any]:
    return {"name": endpoint.name, "url": endpoint.url, "event_types": endpoint.event_types}
