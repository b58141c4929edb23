"""JSON Schema in few words. Each value has an example; that of a whole is made of its parts'."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

Shape = dict[str, Any]

MOMENT = "2027-01-31T12:00:00.000Z"
TASK_ID = "01a2027d-7f6f-727a-814e-4a2215e8a6bc"

_components: dict[str, Callable[[], Shape]] = {}


def component(name: str, shape: Shape | Callable[[], Shape]) -> Shape:
    """Name a shape that several calls share; what refers to it. A function is asked when the document is made."""
    _components[name] = shape if callable(shape) else lambda: shape
    return ref(name)


def ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def components() -> dict[str, Shape]:
    return {name: shape() for name, shape in sorted(_components.items())}


def text(about: str, example: str, **rules: Any) -> Shape:
    return {"type": "string", "description": about, "examples": [example], **rules}


def whole(about: str, example: int, **rules: Any) -> Shape:
    return {"type": "integer", "description": about, "examples": [example], **rules}


def number(about: str, example: float, **rules: Any) -> Shape:
    return {"type": "number", "description": about, "examples": [example], **rules}


def flag(about: str, example: bool = True) -> Shape:
    return {"type": "boolean", "description": about, "examples": [example]}


def word(about: str, options: Collection[str], example: str = "") -> Shape:
    """One of a few."""
    listed = [str(option) for option in options]
    return {"type": "string", "enum": listed, "description": about, "examples": [example or listed[0]]}


def constant(value: Any, about: str) -> Shape:
    return {"const": value, "description": about}


def moment(about: str, example: str = MOMENT) -> Shape:
    """RFC 3339 in UTC, to the millisecond (conduit.api.formats)."""
    return {"type": "string", "format": "date-time", "description": about, "examples": [example]}


def unix(about: str, example: int = 1801396800) -> Shape:
    return whole(f"{about} Unix seconds.", example)


def usd(about: str, example: str = "0.2000") -> Shape:
    return {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{4}$", "description": f"{about} USD.", "examples": [example]}


def factor(about: str, example: str = "1") -> Shape:
    return {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "description": about, "examples": [example]}


def currency() -> Shape:
    return constant("USD", "Of all amounts beside it.")


def uuid(about: str, example: str = TASK_ID) -> Shape:
    return {"type": "string", "format": "uuid", "description": about, "examples": [example]}


def address(about: str, example: str) -> Shape:
    return {"type": "string", "format": "uri", "description": about, "examples": [example]}


def listed(about: str, items: Shape, **rules: Any) -> Shape:
    return {"type": "array", "items": items, "description": about, **rules}


def record(about: str, properties: Mapping[str, Shape], *, optional: Collection[str] = ()) -> Shape:
    """An object with these properties. An answer may have more of them one day, so it does not say that there are no others."""
    return {
        "type": "object",
        "description": about,
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }


def named(about: str, values: Shape, example: Mapping[str, Any]) -> Shape:
    """An object of any names with values of one shape."""
    return {"type": "object", "additionalProperties": values, "description": about, "examples": [dict(example)]}


def or_null(shape: Shape, *, null: bool = False) -> Shape:
    """That or null; `null`: which the example is."""
    if "type" not in shape:
        return {"anyOf": [shape, {"type": "null"}], **({"description": shape["description"]} if "description" in shape else {})} | (
            {"examples": [None]} if null else {}
        )
    either = {**shape, "type": [shape["type"], "null"]}
    if "enum" in shape:
        either["enum"] = [*shape["enum"], None]
    return either | ({"examples": [None]} if null else {})


def page_of(items: Shape, about: str, *, id_shape: Shape) -> Shape:
    """A page of a list (conduit.api.pagination.page)."""
    return record(
        about,
        {
            "object": constant("list", "What this is."),
            "data": listed("The page's entries.", items),
            "first_id": or_null({**id_shape, "description": "The id of the first entry; null on an empty page."}),
            "last_id": or_null({**id_shape, "description": "Where to go on: send it as `after` while `has_more`."}),
            "has_more": flag("Whether another page follows.", False),
        },
    )


def example_of(shape: Shape, known: Mapping[str, Shape]) -> Any:
    """One value of that shape, by its own example or by those of its parts; `known` are the components."""
    if "examples" in shape:
        return shape["examples"][0]
    if "$ref" in shape:
        return example_of(known[shape["$ref"].rpartition("/")[2]], known)
    for name in ("const", "default"):
        if name in shape:
            return shape[name]
    if either := shape.get("anyOf") or shape.get("oneOf"):
        return example_of(either[0], known)
    kinds: Sequence[str] = [shape["type"]] if isinstance(shape.get("type"), str) else shape.get("type", [])
    if "object" in kinds:
        return {name: example_of(inner, known) for name, inner in shape.get("properties", {}).items()}
    if "array" in kinds:
        return [example_of(shape["items"], known)]
    raise LookupError(f"no example of {shape}")
