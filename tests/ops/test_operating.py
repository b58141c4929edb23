"""docs/operating.md from top to bottom: two nodes behind TLS with metrics, each host with an empty root and a network of its own."""

import os
import shutil

import pytest

from tests.ops.operating import Operated, summary

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes networks and roots"),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="wants Debian's prometheus, which `make soak` installs"),
]


def test_whoever_follows_the_page_has_two_nodes_behind_tls_with_metrics(wheels):
    with Operated(wheels) as operated:
        operated.follow()

    print("\n" + "\n".join(summary(operated)))
    assert len(operated.took) > 20
    assert len(operated.not_run) <= 5
