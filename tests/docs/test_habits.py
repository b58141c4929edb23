"""What is done before a commit is what `make lint` does, and costs no network."""

import re

import yaml

from tests.docs.pages import ROOT


def test_the_hooks_do_what_make_lint_does():
    makefile = (ROOT / "Makefile").read_text()
    parts = re.search(r"^lint: (.+?) ##.*\n(?!\t)", makefile, re.MULTILINE)[1].split()  # it has no line of its own
    lines = "".join(re.search(rf"^{part}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1] for part in parts).splitlines()
    wanted = [line.strip().replace("$(PY)", ".venv/bin/python") for line in lines]
    [repo] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook["entry"].removesuffix(" --force-exclude") for hook in repo["hooks"]]

    assert repo["repo"] == "local"
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    assert sorted(hooks) == sorted(command.removesuffix(" .") for command in wanted)
