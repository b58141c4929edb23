"""Where what belongs to Conduit and is no module lies: templates, the Procfile, what `ops/` ships.

In a checkout at the top of the tree, in an installed wheel within this package (pyproject.toml says what is packed there).
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "shipped"

IS_INSTALLED = _SHIPPED.is_dir()
TREE = _SHIPPED if IS_INSTALLED else _PACKAGE.parent
