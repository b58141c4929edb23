"""An empty variable is an unset one, whichever it is."""

import os
import re

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from conduit.env import NamedEnv
from tests.conduit.conftest import READ, ROOT

TOLD = set(re.findall(r"^# ([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
OF_THE_PROCFILE = set(re.findall(r"\$\{?([A-Z_]+)", (ROOT / "Procfile").read_text()))
IN_DEVELOPMENT = {"CONDUIT_ENV": "development", "SECRET_KEY": "one that is not made anew each time"}


@pytest.mark.parametrize("blank", ["", " "])
def test_every_variable_may_be_empty(settings_with, blank):
    unset = settings_with(**IN_DEVELOPMENT)

    for name in sorted(READ | TOLD):
        assert settings_with(**{**IN_DEVELOPMENT, name: blank} if name not in IN_DEVELOPMENT else IN_DEVELOPMENT) == unset, name


def test_all_of_them_may_be_empty_at_once(settings_with):
    named = settings_with(**dict.fromkeys(READ | TOLD, ""))

    assert named == settings_with()  # the secret is kept in the folder
    assert named["CONDUIT_ENV"] == "development"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"PORT": "abc"}, "PORT is 'abc': set it to a whole number."),
        ({"PORT": "99999"}, "PORT is 99999: set it to a number from 1 to 65535."),
        ({"STREAMS_MAX": "many"}, "STREAMS_MAX is 'many': set it to a number."),
        ({"S3_ENDPOINT_URL": "store.example"}, "S3_ENDPOINT_URL is 'store.example': it is https://"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(settings_with, variables, says):
    with pytest.raises(ImproperlyConfigured, match=f"^{re.escape(says)}"):
        settings_with(**IN_DEVELOPMENT, **variables)


def test_a_command_beside_the_embedded_stack_finds_its_redis(settings_with, tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "")  # so that what the file brings into the environment does not outlive this test
    (tmp_path / ".conduit").mkdir()
    (tmp_path / ".conduit" / "run.env").write_text("REDIS_URL=redis://127.0.0.1:7777/0\n")

    assert settings_with(**IN_DEVELOPMENT)["REDIS_URL"] == "redis://127.0.0.1:7777/0"


def test_what_only_the_procfile_reads_may_be_empty_too():
    assert {"PORT", "BIND", "WORKER_THREADS"} <= OF_THE_PROCFILE
    uses = re.findall(r"\$\{?[A-Z_]+.{2}", (ROOT / "Procfile").read_text())
    assert uses
    assert [use for use in uses if not use.endswith(":-")] == []


def test_each_variable_of_the_example_is_read_by_somebody():
    assert set() == TOLD - READ - OF_THE_PROCFILE


def test_an_empty_variable_of_the_environment_hides_the_one_in_the_file(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("A_NAME=of the file\n")
    monkeypatch.setenv("A_NAME", "")
    env = NamedEnv()

    env.read_env(tmp_path / ".env")

    assert env.str("A_NAME", default="the default") == "the default"


@pytest.mark.parametrize("text", ["1m", "1e400", "nan", "ten", "1,5"])
def test_a_number_with_more_in_it_is_refused_and_not_half_read(monkeypatch, text):
    monkeypatch.setenv("A_NUMBER", text)

    with pytest.raises(ImproperlyConfigured, match="A_NUMBER is "):
        NamedEnv().positive("A_NUMBER", default=1.0)


def test_a_value_that_begins_with_a_dollar_is_itself(monkeypatch):
    monkeypatch.setenv("A_SECRET", "$HOME")

    assert NamedEnv().str("A_SECRET", default="") == "$HOME"
    assert environ.Env().str("A_SECRET", default="") == os.environ["HOME"]  # why the library's own is not used


def test_a_list_may_have_spaces_between_its_entries(monkeypatch):
    monkeypatch.setenv("A_LIST", "one.example, two.example,")

    assert NamedEnv().list("A_LIST", default=[]) == ["one.example", "two.example"]


@pytest.mark.parametrize("address", ["https://user:hidden@[broken", "https://user:hidden@host:port/", "https://user:hidden@host?x=1"])
def test_an_address_that_is_none_is_refused_without_its_password(monkeypatch, address):
    monkeypatch.setenv("AN_ADDRESS", address)

    with pytest.raises(ImproperlyConfigured) as refused:
        NamedEnv().address("AN_ADDRESS", "https://default")

    assert "AN_ADDRESS" in str(refused.value)
    assert "hidden" not in str(refused.value)
