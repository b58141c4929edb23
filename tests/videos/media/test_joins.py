"""A clip that goes on from another one's last picture a little brighter or of another tint goes on without a jump."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.support.real_clips import Clip, mean

FIRST = Clip(frames=25, luma=lambda index: 100)


@pytest.mark.parametrize("off", [-6, 3, 10])
def test_a_jump_of_levels_is_given_back_over_a_second(made, off):
    result = made(FIRST, replace(FIRST, frames=51, luma=lambda index: 100 + off), wish=(128, 72, 3))
    grey = [mean(frame) for frame in result.pictures()]
    assert max(abs(after - before) for before, after in pairwise(grey)) <= 1.5
    assert grey[25] == pytest.approx(75, abs=1)
    assert grey[-1] == pytest.approx(75 + off * 3 / 4, abs=1)  # the left half is half as bright


def test_clips_of_the_same_levels_are_left_as_they_are(made):
    result = made(FIRST, replace(FIRST, frames=51), wish=(128, 72, 3))
    assert {round(mean(frame, columns=slice(70, None))) for frame in result.pictures()} == {100}


def test_another_scene_keeps_its_own_levels(made):
    result = made(FIRST, replace(FIRST, frames=26, luma=lambda index: 180), wish=(128, 72, 2))
    assert mean(result.pictures()[26], columns=slice(70, None)) == pytest.approx(180, abs=2)


def test_clips_of_different_range_and_matrix_join_without_a_jump(made):
    others = [Clip(frames=26, luma=lambda index: 100, pixels="yuvj420p"), FIRST]
    result = made(others[0], others[1], wish=(64, 36, 2))
    right = [mean(frame, columns=slice(36, None)) for frame in result.pictures()]
    assert max(right) - min(right) <= 1.5
