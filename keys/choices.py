"""What a key may be limited to, as choices of a form: the models and sizes that there are. What a key has that is gone stays to be seen."""

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from keys.known_models import all_models, all_sizes, check_models, pixels

Choice = tuple[str, str]


class ModelsField(forms.MultipleChoiceField):
    """A box for each model, under the name by which the key has it, or else its own. Any name that a model has is taken."""

    def __init__(self) -> None:
        words = "Those that it may use, each under all of its names. None ticked: all."
        super().__init__(required=False, label="Models", widget=forms.CheckboxSelectMultiple, help_text=words)
        self._had: Sequence[str] = ()

    def offer(self, had: Sequence[str]) -> None:
        """`had`: the names that the key has so far."""
        self._had = had
        self.choices = list(_models(had))

    def validate(self, value: list[str]) -> None:
        """One that is gone by now stays as long as nobody takes it away."""
        try:
            check_models([name for name in value if name not in self._had])
        except ValueError as error:
            raise ValidationError(f"`models` {error}.") from error


def _models(had: Sequence[str]) -> Iterator[Choice]:
    known = all_models()
    for names in known:
        for shown in [name for name in names if name in had] or names[:1]:
            others = ", ".join(name for name in names if name != shown)
            yield shown, f"{shown} (also {others})" if others else shown
    there = {name for names in known for name in names}
    yield from ((name, f"{name}: no model here any more") for name in had if name not in there)


class SizeChoiceField(forms.ChoiceField):
    """The most pixels of a video, by the sizes that have so many."""

    def __init__(self) -> None:
        words = "No more pixels than this. Upright ones have as many."
        super().__init__(required=False, label="Largest resolution", help_text=words)

    def offer(self, had: str) -> None:
        """`had`: the limit that the key has so far."""
        sizes: dict[int, str] = {}
        for size in all_sizes():
            width, height = map(int, size.split("x"))
            if width >= height or pixels(size) not in sizes:
                sizes[pixels(size)] = size
        choices = [("", "any"), *((size, size) for size in sizes.values())]
        if had and had not in sizes.values():
            choices.append((had, had if had in all_sizes() else f"{had}: no size of a video here"))
        self.choices = choices


def offer(form: Any, key: Any) -> None:
    """Have a key's form offer what there is now, and what the key has."""
    if "model_names" in form.fields:
        form.fields["model_names"].offer(key.model_names or [])
    if "largest_resolution" in form.fields:
        form.fields["largest_resolution"].offer(key.largest_resolution)
