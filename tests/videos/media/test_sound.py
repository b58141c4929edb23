"""Sound stays with its picture: across cuts, joins and a lower speed, without a click or a drift."""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests.support.real_clips import SAMPLE_RATE, Clip, samples, write

H3 = Clip(width=76, height=134, fps=Fraction(24), frames=107, sound="aac", encoder={"preset": "ultrafast"})


def beeping(first_frame: int) -> Callable[[int], int]:
    """A tone while every twelfth picture of the whole chain is shown, counted from the number of the clip's first."""

    def wave(sample: int) -> int:
        number = first_frame + int(Fraction(sample * 24, SAMPLE_RATE))
        return round(20_000 * math.sin(sample / SAMPLE_RATE * 1000 * math.tau)) if number % 12 == 0 else 0

    return wave


def tone(sample: int) -> int:
    return round(10_000 * math.sin(sample / SAMPLE_RATE * 220 * math.tau))


def beginnings(heard: "list[float]", rate: int = 48_000) -> list[float]:
    """The seconds at which it becomes loud after a silence of 0.2 s."""
    found, quiet_since = [], -1.0
    for at in range(0, len(heard) - 48, 48):
        if max(map(abs, heard[at : at + 48])) > 0.2:
            if at / rate - quiet_since > 0.2:
                found.append(at / rate)
            quiet_since = at / rate
    return found


def test_sound_is_in_step_with_its_picture_after_four_joins(made, tmp_path: Path):
    clips = [write(tmp_path / f"{n}.mp4", replace(H3, frames=41, number=40 * n, wave=beeping(40 * n))) for n in range(5)]
    result = made(*clips, wish=(76, 134, 8))
    expected = [number / 24 for number in range(0, 8 * 24, 12)]
    assert beginnings(list(samples(result.video))) == pytest.approx(expected, abs=0.01)


def test_sound_is_slowed_with_its_picture_and_keeps_its_pitch(made):
    """96 frames in place of 100: it sounds to the end, and 1000 Hz stay 1000 Hz."""
    short = replace(H3, fps=Fraction(25), frames=96, wave=lambda sample: round(10_000 * math.sin(sample * 1000 / SAMPLE_RATE * math.tau)))
    result = made(short, wish=(76, 134, 4))
    heard = list(samples(result.video))
    assert result.facts.speed == 0.96
    assert len(heard) == pytest.approx(4 * 48_000, abs=1024)
    rises = sum(before < 0 <= after for before, after in pairwise(heard[48_000:144_000]))
    assert rises / 2 == pytest.approx(1000, abs=3)


def test_a_join_makes_no_click(made):
    """A tone that starts anew with each clip jumps from one phase to another: no sample may leap further than the tone itself does."""
    clip = replace(H3, frames=38, wave=tone)
    heard = list(samples(made(clip, clip, clip, wish=(76, 134, 4)).video))
    steepest = 10_000 / 32_768 * math.tau * 220 / 48_000
    assert max(abs(after - before) for before, after in pairwise(heard)) < 3 * steepest


def test_a_clip_without_sound_is_silent_between_two_that_have_some(made):
    clip = replace(H3, frames=25, wave=tone)
    heard = list(samples(made(clip, replace(clip, sound=None), clip, wish=(76, 134, 3)).video))
    loud = [max(map(abs, heard[second * 48_000 + 4800 : second * 48_000 + 43_200])) for second in range(3)]
    assert loud[0] > 0.2
    assert loud[1] < 0.001
    assert loud[2] > 0.2


def test_silent_clips_make_a_silent_file(made):
    result = made(replace(H3, sound=None), replace(H3, sound=None), wish=(76, 134, 8))
    assert not result.facts.has_audio
    with av.open(str(result.video)) as file:
        assert not file.streams.audio


def test_sound_that_ends_too_early_is_followed_by_silence(made):
    clip = replace(H3, frames=48, sound_seconds=Fraction(1), wave=tone, width=134)
    assert len(samples(made(clip, clip, wish=(76, 134, 3)).video)) == pytest.approx(3 * 48_000, abs=1024)


def test_a_cut_copies_the_sound_where_it_can(made):
    result = made(replace(H3, frames=107), wish=(76, 134, 4))
    packets = []
    for path in (result.clips[0], result.video):
        with av.open(str(path)) as file:
            packets.append([bytes(packet) for packet in file.demux(audio=0) if packet.size])
    assert packets[0][: len(packets[1])] == packets[1]
    with av.open(str(result.video)) as file:
        assert file.duration / av.time_base == pytest.approx(4, abs=0.001)


@pytest.mark.parametrize("sound", ["libmp3lame", "pcm_s16be"])
def test_sound_that_not_every_browser_plays_becomes_aac(made, sound):
    result = made(Clip(sound=sound), wish=(128, 72, 1))
    with av.open(str(result.video)) as file:
        assert file.streams.audio[0].codec_context.name == "aac"
    assert len(samples(result.video)) == pytest.approx(48_000, abs=1024)
