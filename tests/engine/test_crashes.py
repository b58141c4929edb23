"""SIGKILL at every line that matters: no task is lost, none is paid twice."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from django.conf import LazySettings

from conduit import clock
from keys.models import UsageCost
from tasks.models import Task, TaskEvent
from tests.settings import ON_SQLITE
from tests.support import nursery
from tests.support.called_back import called_back
from tests.support.databases import database_url
from videos import cleanup
from videos.minimax.sandbox import Sandbox
from videos.models import Clip, Video

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite]


@pytest.mark.parametrize(
    ("seconds", "clips", "calls_back", "every"),
    [
        # A point costs a second of two processors; on SQLite it takes twice as long.
        pytest.param(1, 1, False, 4, marks=[pytest.mark.soak] if ON_SQLITE else []),
        pytest.param(1, 1, False, 1, marks=pytest.mark.soak),
        pytest.param(1, 1, True, 1, marks=pytest.mark.soak),
        pytest.param(7, 2, False, 1, marks=pytest.mark.soak),
        pytest.param(7, 2, True, 1, marks=pytest.mark.soak),
    ],
    ids=["one clip, every fourth", "one clip", "one clip, called back", "a chain of two", "a chain of two, called back"],
)
def test_a_worker_killed_before_or_after_any_commit_or_call_loses_no_task_and_pays_none_twice(
    make_consumer, media, settings: LazySettings, tmp_path: Path, seconds, clips, calls_back, every
):
    make_consumer()
    with Sandbox(tmp_path / "sandbox", api_key="sandbox", time_scale=0.0001, clip_scale=8) as sandbox, called_back() as public_url:
        environment = os.environ | {
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "conduit.settings",
            "SECRET_KEY": settings.SECRET_KEY,
            "CONDUIT_HOME": str(tmp_path),
            "MINIMAX_BASE_URL": sandbox.url,
            "MINIMAX_API_KEY": "sandbox",
            "MINIMAX_POLL_SECONDS": "0",
            "MINIMAX_POLL_SECONDS_WITH_CALLBACKS": "0",
            "MINIMAX_CALLBACKS": "on" if calls_back else "off",
            "PUBLIC_URL": public_url,
            "RETRY_SECONDS": "0",
            # Time for a callback of what was taken; nothing tells of what was not.
            "RECONCILING_SECONDS_MAX": "2" if calls_back else "0",
            "LOG_LEVEL": "ERROR",
            "DURATION": str(seconds),
            "EVERY": str(every),
            # What becomes of an order ends there; the rest is as without callbacks.
            "UNTIL_A_CLIP_IS": "submitted" if calls_back and clips == 1 else "",
        }
        ran = nursery.run(["-m", "tests.support.crasher"], environment, seconds=3000)
        assert ran.returncode == 0, ran.stderr
        creates = [entry["prompt"] for entry in sandbox.log() if entry["call"] == "create"]
    runs = [json.loads(line) for line in ran.stdout.splitlines()]

    # At most as many creates of a prompt as its video has clips, and one for each but where the intent alone was stored.
    assert max(Counter(creates).values()) == clips
    assert len(creates) >= clips * (len(runs) - 5 * clips)
    # The last run met no fault: it tells how many there are to meet.
    assert len(runs) > (10 if calls_back else 30) / every
    taken = Counter(creates)
    for run in runs:
        # Cut off between the intent and what is known of its answer; a callback tells of what MiniMax took.
        cut_off = run["died"] and "submitting" in run["clips_at_death"]
        is_told = calls_back and taken[run["prompt"]] > run["clips_at_death"].index("submitting") if cut_off else False
        expected = ("failed", "provider_timeout") if cut_off and not is_told else ("completed", "")
        assert (run["status"], run["error_code"]) == expected, run
    # After the intent's commit, before and after the call, and before the commit of its answer (one more on each side).
    assert sum("submitting" in run["clips_at_death"] for run in runs) <= 5 * clips

    for run in runs:
        rows = dict(UsageCost.objects.filter(task_id=run["task_id"]).values_list("entry", "amount"))
        assert rows["hold"] == rows["capture"] + rows.get("release", 0)
        assert rows["capture"] == (rows["hold"] if run["status"] == "completed" else 0) == Task.objects.get(pk=run["task_id"]).charged
        assert TaskEvent.objects.filter(task_id=run["task_id"]).last().status == run["status"]
    assert Clip.objects.filter(creates__gt=1).count() == 0

    sweeping_home = Path(tmp_path / "media")
    settings.STORAGES["default"]["OPTIONS"]["location"] = sweeping_home
    settings.FAILED_CLIPS_SECONDS = 0
    while Video.objects.unswept(clock.now()).exists():
        cleanup.remove_leftovers()
    completed = [run["task_id"] for run in runs if run["status"] == "completed"]
    kept = [path for path in sweeping_home.rglob("*") if path.is_file()]
    assert len(kept) == 2 * len(completed)
    assert {path.name.split("-")[0] for path in kept} == {"video", "thumbnail"}
    assert list((tmp_path / "work").iterdir()) == []
