"""What a call's body may hold, read off its serializer: names, limits and defaults stand there and nowhere else."""

from collections.abc import Mapping
from inspect import isclass
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.serializers import BaseSerializer, Serializer

from conduit.api.openapi.operations import Body
from conduit.api.openapi.shapes import Shape


class NamedFieldExtension(OpenApiSerializerFieldExtension):
    """Our own fields know what they take."""

    target_class = "conduit.api.fields.NamedField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> Shape:
        shape: Shape = self.target.schema()
        return shape


def component_of(body: Body, auto_schema: AutoSchema) -> Shape:
    """The shape of a body, with the words of each field."""
    shape = _shape_of(body.serializer(), body.words, "", auto_schema)
    if body.partial:
        shape.pop("required", None)
        for inner in shape["properties"].values():
            inner.pop("default", None)  # what is left out of a change stays as it is
    return shape | {"examples": [dict(body.example)]}


def _shape_of(serializer: Serializer[Any], words: Mapping[str, str], prefix: str, auto_schema: AutoSchema) -> Shape:
    properties: dict[str, Shape] = {}
    null_is_none = getattr(serializer, "null_is_left_out", False)
    for name, field in serializer.fields.items():
        if isinstance(field, Serializer):
            shape = _shape_of(field, words, f"{prefix}{name}.", auto_schema)
            if field.allow_null:
                shape["type"] = ["object", "null"]
        else:
            shape = dict(auto_schema._map_serializer_field(field, "request"))
        if isclass(shape.get("items")) and issubclass(shape["items"], BaseSerializer):
            shape["items"] = _shape_of(shape["items"](), words, f"{prefix}{name}.", auto_schema)
        if null_is_none and not field.required:
            shape["type"] = [*([shape["type"]] if isinstance(shape["type"], str) else shape["type"]), "null"]
        if "enum" in shape and "null" in shape["type"]:
            shape["enum"] = [*(option for option in shape["enum"] if option is not None), None]
        if about := words.get(f"{prefix}{name}"):
            shape["description"] = about
        properties[name] = shape
    required = [name for name, field in serializer.fields.items() if field.required]
    # As every call refuses a name that it does not know (conduit.api.fields.StrictSerializer).
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }
