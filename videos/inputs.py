"""What a clip may be given beside its prompt: pictures, each in a role. No call takes any yet; plans, accounts and prices know them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypedDict


class Role(StrEnum):
    """What a picture is to a clip. The frame from which a chain goes on is a first frame like any other."""

    FIRST_FRAME = "first_frame"
    LAST_FRAME = "last_frame"
    REFERENCE = "reference"


class Input(TypedDict):
    """One picture, as plans and clips keep it."""

    role: str
    file: str  # name in the storage


def all_roles() -> list[str]:
    return [str(role) for role in Role]


def of_role(inputs: Sequence[Input], role: Role) -> list[Input]:
    return [one for one in inputs if one["role"] == role]
