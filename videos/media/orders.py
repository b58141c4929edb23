"""What both sides of an order to a child know of it."""

from typing import Literal

# What may be ordered.
Work = Literal["probe", "assemble", "draw_spritesheet"]

# The arguments that name what it writes.
WRITTEN = ("video", "thumbnail", "last_frame", "sheet")
