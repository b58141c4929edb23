"""Each stage has its words wherever people read them."""

import re
from pathlib import Path

from conduit.console.tasks import words
from videos.stages import WAITS, Stage

ROOT = Path(__file__).resolve().parents[2]


def test_the_console_the_playground_and_the_api_s_page_have_words_for_each_stage():
    api = (ROOT / "docs/api.md").read_text()
    playground = (ROOT / "conduit/console/playground/static/playground/words.js").read_text()
    told = set(re.findall(r"^  (\w+):", re.search(r"const STAGES = \{(.*?)\};", playground, re.DOTALL)[1], re.MULTILINE))
    assert set(Stage) - {*words.WAITED_FOR, *words._DOES} == set()
    assert set(Stage) - told == set()
    assert [stage for stage in Stage if f"`{stage}`" not in api] == []


def test_what_a_task_waits_for_is_told_as_waiting():
    assert set(WAITS) == set(words.WAITED_FOR)
