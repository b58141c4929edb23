"""Bodies that nobody wants, sent to the process that serves."""

import itertools
from collections.abc import Iterator

import pytest
import requests

from tests.support.running import RunningStack

BYTES = 60 * 1024**2


def in_chunks() -> Iterator[bytes]:
    return itertools.repeat(b" " * 65_536, BYTES // 65_536)


def peak_bytes(pid: int) -> int:
    """The most memory that the process had resident so far."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/video/generations", 413), ("/hubs/video-generation/negotiate", 413), ("/admin/login/", 403)]
)
@pytest.mark.parametrize("framed", ["by its length", "in chunks"])
def test_a_body_of_many_megabytes_is_refused_and_never_collected(stack: RunningStack, path: str, status: int, framed: str) -> None:
    web = stack.pid("web")
    before = peak_bytes(web)
    answer = requests.post(
        f"{stack.url}{path}",
        data=b" " * BYTES if framed == "by its length" else in_chunks(),
        headers={"Authorization": f"Bearer {stack.secret}", "Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == status
    assert peak_bytes(web) - before < BYTES / 2
