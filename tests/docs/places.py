"""What a change touched, held against the places that CONTRIBUTING.md lists for it.

    python -m tests.docs.places "A stage" main..my-branch

tells the files of these commits that the list does not name, and ends with 1 if there are any; and the places of the list that were left
alone, which may be right: some are for a part of such changes only.
"""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from tests.docs.pages import ROOT

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^#+ |\Z)", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"`((?:[\w.*-]+/)+(?:[\w.*-]+\.\w+)?|[\w*-]+\.(?:py|md|toml|example)|\.env\.example)`")


def sections() -> dict[str, str]:
    """What CONTRIBUTING.md says of how each thing is added, by its heading."""
    _, adding = CONTRIBUTING.read_text().split("# How something is added\n")
    return dict(_SECTION.findall(adding))


def places_of(section: str) -> list[str]:
    """A path from the top of the repository, a folder that ends in `/`, or the name of a file that each room may have."""
    return list(dict.fromkeys(_PLACE.findall(sections()[section])))


def is_at(path: str, place: str) -> bool:
    if place.endswith("/"):
        return path.startswith(place)
    return fnmatch(path, place) or ("/" not in place and Path(path).name == place)


def compared(section: str, touched: list[str]) -> tuple[list[str], list[str]]:
    """The files that no place names, and the places that no file is at."""
    places = places_of(section)
    strays = [path for path in touched if not any(is_at(path, place) for place in places)]
    return strays, [place for place in places if not any(is_at(path, place) for path in touched)]


def main(section: str, commits: str) -> int:
    named = subprocess.run(["git", "diff", "--name-only", commits], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    strays, untouched = compared(section, named.split())
    for path in strays:
        print(f"not in the list:   {path}")
    for place in untouched:
        print(f"in the list alone: {place}")
    return 1 if strays else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
