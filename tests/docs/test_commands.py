"""Every command of every page is run as it stands there, but for those that say why not."""

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, RUN, SHOWN, Block, blocks
from tests.docs.running import run
from tests.support.check_demo import faults_of_video
from tests.support.running import RunningStack

README = ROOT / "README.md"
BLOCKS = [block for page in PAGES for block in blocks(page)]
MARKED = [block for block in BLOCKS if block.reason]
NOT_RUN_MOST = 10


def runnable(page: Path) -> list[Block]:
    return [block for block in BLOCKS if block.page == page and block.language in RUN and not (block.reason or block.hosts)]


def test_each_block_says_what_it_is_and_at_most_ten_are_not_run():
    assert [block.place for block in BLOCKS if block.language not in RUN | SHOWN] == []
    assert [block.place for block in BLOCKS for test in block.hosts if test.startswith("tests/") and not (ROOT / test).exists()] == []
    listed = "\n".join(f"{block.place}: {block.reason}" for block in MARKED)
    print(f"{len(MARKED)} blocks are not run:\n{listed}")
    assert len(MARKED) <= NOT_RUN_MOST, listed


def test_the_readme_s_block_pasted_beside_a_running_stack_ends_with_a_video_on_disk(stack: RunningStack, tmp_path: Path):
    said = run(runnable(README), stack, tmp_path)

    assert faults_of_video(tmp_path / "cat.mp4", 6, "1280x720") == []
    assert "event: task.completed" in said


@pytest.mark.parametrize("page", [page for page in PAGES if page != README and runnable(page)], ids=lambda page: page.stem)
def test_a_page_s_commands_do_what_it_says(page: Path, stack: RunningStack, tmp_path: Path):
    run(runnable(page), stack, tmp_path)
