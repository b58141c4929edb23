"""What `make demo` keeps, asks for, shows and says."""

import io
import json
import stat
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from conduit.stack.access import demo_access
from conduit.stack.demo import PROMPT, Demo, Video, wanted
from conduit.stack.errors import DemoFailed
from conduit.stack.progress_bar import ProgressBar
from conduit.stack.stack import Stack
from keys.models import VirtualKey
from keys.services import find_key
from tests.conftest import Consumer

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_first_demo_makes_a_key_and_an_administrator_for_its_owner_alone(tmp_path: Path) -> None:
    access = demo_access(tmp_path / "demo.json")
    assert find_key(access.key) is not None
    user = get_user_model().objects.get(username=access.username)
    assert user.is_superuser
    assert user.check_password(access.password)
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "demo.json").read_text()) == {"key": access.key, "username": "demo", "password": access.password}


def test_the_next_demo_uses_the_same_key_and_login(tmp_path: Path) -> None:
    assert demo_access(tmp_path / "demo.json") == demo_access(tmp_path / "demo.json")
    assert VirtualKey.objects.count() == 1


def test_a_database_that_was_deleted_gets_a_new_key_and_login(tmp_path: Path) -> None:
    before = demo_access(tmp_path / "demo.json")
    VirtualKey.objects.all().delete()
    get_user_model().objects.all().delete()
    after = demo_access(tmp_path / "demo.json")
    assert after.key != before.key
    assert find_key(after.key) is not None
    assert get_user_model().objects.get(username="demo").check_password(after.password)


def test_a_key_that_was_disabled_is_not_used_again(tmp_path: Path) -> None:
    before = demo_access(tmp_path / "demo.json")
    VirtualKey.objects.update(enabled=False)
    after = demo_access(tmp_path / "demo.json")
    assert after.key != before.key
    assert after.password == before.password


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "x"}'])
def test_a_file_that_holds_no_access_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    assert find_key(demo_access(tmp_path / "demo.json").key) is not None


def test_a_demo_asks_for_what_the_environment_says_and_leaves_the_rest_to_the_api() -> None:
    assert wanted({}) == {"model": "minimax-video", "prompt": PROMPT}
    asked = wanted({"PROMPT": "a cat", "DURATION": "ten", "RESOLUTION": "1920x1080"})
    assert asked == {"model": "minimax-video", "prompt": "a cat", "duration": "ten", "resolution": "1920x1080"}


def test_a_demo_says_what_its_video_is_and_what_it_was_made_of(tmp_path: Path) -> None:
    source = {"model": "video-01", "width": 720, "height": 1280, "fps": 25.0, "clips": 2, "speed": 0.9967}
    result = {"duration": 12.0, "width": 1080, "height": 1920, "fps": 24.91667, "size_bytes": 3_400_000, "source": source}
    video = Video(video=tmp_path, thumbnail=tmp_path, result=result)

    assert video.facts == "12 s, 1080x1920, 24.92 fps, 3.4 MB"
    assert video.made_of == "2 clips of video-01, 720x1280, 25 fps, played at 0.997 of their speed"
    alone = Video(video=tmp_path, thumbnail=tmp_path, result=result | {"source": source | {"clips": 1, "speed": 1.0}})
    assert alone.made_of == "1 clip of video-01, 720x1280, 25 fps"


class InThisProcess:
    """A stack whose web process is the test's client."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def request(self, method: str, path: str, *, json: object, **options: object) -> requests.Response:
        assert method == "POST"
        answer, told = self._consumer.post(path, json), requests.Response()
        told.status_code, told._content = answer.status_code, answer.content
        return told


@pytest.mark.parametrize(("name", "field"), [("DURATION", "duration"), ("RESOLUTION", "resolution")])
def test_a_demo_of_the_impossible_says_what_the_api_says(consumer: Consumer, name: str, field: str) -> None:
    demo = Demo(cast(Stack, InThisProcess(consumer)), secret=consumer.secret, public_url="http://testserver")

    with pytest.raises(DemoFailed, match=f"^The API refuses: .*{field}"):
        demo.generate(wanted({name: "banana"}), ProgressBar(io.StringIO()))


def test_a_demo_has_a_token_of_an_hour_for_the_playground(consumer: Consumer) -> None:
    demo = Demo(cast(Stack, InThisProcess(consumer)), secret=consumer.secret, public_url="http://testserver")

    token = Consumer(consumer.key, demo.playground_token())

    assert token.get("/v1/key").json()["create"]["tasks_left"] == 50
    assert token.generate()["status"] == "queued"


def test_what_a_demo_fails_of_is_one_line_and_the_stack_ends(run_stack: Any) -> None:
    stack = run_stack(FAKE_FAILURE="The API refuses: duration")

    status, errors = stack.ends()
    assert (status, errors) == (1, "conduit: The API refuses: duration\n")
    assert stack.leaves_nothing()


def test_a_bar_in_a_terminal_is_one_line_that_changes() -> None:
    out = Terminal()
    bar = ProgressBar(out)
    for progress in (0, 50, 51):
        bar.show(progress=progress, stage="generating", eta_seconds=100 - progress)
    bar.end()
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().endswith("[###############...............]  51 %  generating  about 49 s left\n")


def test_a_bar_without_a_terminal_is_a_line_for_each_stage_and_ten_percent() -> None:
    out = io.StringIO()
    bar = ProgressBar(out)
    for progress, stage in ((0, "queued"), (3, "queued"), (5, "generating"), (12, "generating"), (19, "generating"), (100, "completed")):
        bar.show(progress=progress, stage=stage, eta_seconds=None)
    bar.end()
    assert out.getvalue().splitlines() == ["  0 %  queued", "  5 %  generating", " 12 %  generating", "100 %  completed"]


def test_the_demo_is_refused_in_production_where_it_would_leave_a_login_and_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUIT_ENV", "production")

    with pytest.raises(CommandError, match="Unset CONDUIT_ENV"):
        call_command("demo")
