"""The form of a model: fields where the row holds JSON."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Field
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from videos.models import VideoModel

# A form that somebody made by hand ends here.
SIZES_MAX, LENGTHS_MAX = 32, 60
_TEXTS = ("resolution", "ratio", "width", "height", "fps")
_BLANK_SIZES, _BLANK_LENGTHS = 1, 2


class NamesField(forms.CharField):
    """A list of names, with spaces or commas between them."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [name for name in re.split(r"[\s,]+", super().to_python(value) or "") if name]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class NativesWidget(forms.Widget):
    """A table of sizes, each with its lengths and what they cost. A row that is emptied is taken away."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, Any]]:
        rows = []
        for number in range(SIZES_MAX):
            prefix = f"{name}-{number}-"
            if f"{prefix}resolution" not in data:
                break
            row: dict[str, Any] = {field: data.get(prefix + field, "").strip() for field in _TEXTS}
            row["needs_frame"] = prefix + "needs_frame" in data
            pairs = [(data.get(f"{prefix}{n}-seconds", "").strip(), data.get(f"{prefix}{n}-cost", "").strip()) for n in range(LENGTHS_MAX)]
            row["clips"] = [pair for pair in pairs if any(pair)]
            if any(row.values()):
                rows.append(row)
        return rows

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return f"{name}-0-resolution" not in data

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        rows = [*(value or []), *[{"clips": []}] * _BLANK_SIZES]
        shown = [row | {"clips": [*row["clips"], *[("", "")] * _BLANK_LENGTHS]} for row in rows]
        return mark_safe(render_to_string("admin/videos/natives.html", {"name": name, "rows": shown}))  # noqa: S308 - a template's output


class NativesField(forms.Field):
    """`VideoModel.natives` by its parts. Whether they make sense is the model's to say (videos.native_formats)."""

    widget = NativesWidget

    def prepare_value(self, value: Any) -> Any:
        """The rows of the table: as the row in the database holds them, or as they were typed."""
        return [row | {"clips": list(row["clips"].items())} if isinstance(row["clips"], dict) else row for row in value or []]

    def to_python(self, value: Any) -> list[dict[str, Any]]:
        return [_entry(number, row) for number, row in enumerate(value or [], start=1)]

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (initial or []) != self.to_python(data)
        except ValidationError:
            return True


def _entry(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, as the database holds it. What is no number stays text, and is refused by its name."""
    lengths = [seconds for seconds, _ in row["clips"]]
    if twice := next((seconds for seconds in lengths if lengths.count(seconds) > 1), None):
        raise ValidationError(f"Entry {number}: {twice or 'an empty length'} stands there twice.")
    entry: dict[str, Any] = {"resolution": row["resolution"]}
    entry |= {side: _whole(row[side]) for side in ("width", "height")}
    entry |= {"fps": _rate(row["fps"]), "clips": dict(row["clips"])}
    if row["ratio"]:
        entry["ratio"] = row["ratio"]
    if row["needs_frame"]:
        entry["needs_frame"] = True
    return entry


def _whole(text: str) -> int | str:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else text


def _rate(text: str) -> int | float | str:
    return float(text) if re.fullmatch(r"[0-9]{1,4}\.[0-9]{1,6}", text) else _whole(text)


# Left empty they are what most models are.
_OPTIONAL = ("references_most", "images_free", "image_cost", "image_price")


class VideoModelForm(forms.ModelForm):
    aliases = NamesField(required=False, help_text="Other public names, with commas between them, such as minimax-video.")
    natives = NativesField(
        label="What it makes",
        help_text="Each size that it makes at MiniMax, and what MiniMax bills for a clip of each length. Empty a row to take it away.",
    )

    class Meta:
        model = VideoModel
        fields = [
            "name", "aliases", "enabled", "prompt_limit", "api", "upstream", "upstream_with_frame", "sends_size", "takes_ratio",
            "takes_last_frame", "references_most", "images_free", "image_cost", "takes_prompt_optimizer", "watermark", "natives",
            "portrait", "typical_seconds", "base_price", "least_seconds", "image_price",
        ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields.keys() & set(_OPTIONAL):
            self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in _OPTIONAL:
            field = VideoModel._meta.get_field(name)
            if cleaned.get(name, 0) is None and isinstance(field, Field) and self.add_prefix(name) in self.data:
                cleaned[name] = field.get_default()
        return cleaned
