"""What a process does not load when it starts: each of these took processor time of every start, for what few processes ever do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.urls import reverse

from conduit.console.errors import CONSOLE
from tests.support import nursery

ROOT = Path(__file__).resolve().parents[2]
WEB = "import daphne.cli, conduit.asgi"
WORKER = (
    "from importlib import import_module\n"
    "import celery.apps.worker, celery.worker.consumer\n"
    "from conduit.celery import app\n"
    "app.loader.init_worker(); app.finalize()\n"
    "for step in app.steps['worker']: import_module(step.partition(':')[0])"
)
COMMAND = "from django.core.management import call_command; import django; django.setup(); call_command('check', '--list-tags')"
# PyAV is the children's that read clips; drf-spectacular that of who asks for the document, and brings the test clients with it.
UNNEEDED = {"av", "drf_spectacular", "rest_framework.test", "django.test", "jinja2", "videos.media.assembling", "videos.media.sheets"}


@pytest.mark.parametrize("start", [WEB, WORKER, COMMAND], ids=["web", "worker", "command"])
def test_a_process_loads_nothing_that_few_of_its_kind_use(tmp_path, start):
    words = f"import sys\n{start}\nprint(sorted({UNNEEDED!r} & set(sys.modules)))"
    ours = {"DJANGO_SETTINGS_MODULE": "conduit.settings", "CONDUIT_HOME": str(tmp_path)}
    said = nursery.run([sys.executable, "-c", words], os.environ | ours)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "[]"


def test_a_child_that_reads_clips_loads_nothing_of_its_parent():
    words = "import sys, videos.media.__main__; print(sorted({'subprocess', 'selectors', 'videos.media.child'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout == "[]\n"


def test_the_console_is_where_it_is_said_to_be():
    """Where no table of routes is asked: that is made with the first page that names another."""
    assert reverse("admin:index") == CONSOLE
