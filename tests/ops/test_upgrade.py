"""An upgrade from the former version loses nothing: both work side by side on the new tables, under load, one node after the other."""

import collections
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.ops import former
from tests.ops.operating import ADDRESSES, MINIMAX, NAME, Operated

pytestmark = pytest.mark.soak

HOT_PATHS = (
    "tests/web/test_quick_creates.py",
    "tests/web/test_quick_reads.py",
    "tests/web/test_quick_lists.py",
    "tests/videos/test_generations_create.py",
    "tests/api/test_idempotency.py",
    "tests/tasks/test_lifecycle.py",
    "tests/tasks/test_leases.py",
    "tests/engine/test_creates.py",
)
# So many videos are made, and so long they may take, before the next step of the upgrade.
MADE, MADE_SECONDS = 4, 600.0
# The former version's units are today's, but for beat, of which it bears one; it is a tree beside the packages that today's wheel brought.
AS_IT_WAS = r"""
sed -i 's#^WorkingDirectory=.*#WorkingDirectory=/opt/former#; s#^Environment=#Environment=PYTHONPATH=/opt/former #;
        s#-S conduit.beat:OneBeat#-S celery.beat:Scheduler#' /etc/systemd/system/conduit-*.service
sed 's#/opt/conduit/.venv/bin/conduit#/opt/conduit/.venv/bin/python /opt/former/manage.py#' /usr/local/sbin/conduit > /root/former
chmod 0755 /root/former
"""
UNITS = "conduit-web@8000 conduit-worker conduit-media conduit-control conduit-notifications"
READY = "until curl --silent --fail http://127.0.0.1:8000/health/ready; do sleep 0.2; done"


def test_the_former_version_s_hot_paths_work_on_today_s_tables():
    old = former.with_todays_tables(former.tree())
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:randomly", "-p", "no:cacheprovider", *HOT_PATHS]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CONDUIT_", "DJANGO_", "PYTEST_"))}
    done = subprocess.run(command, cwd=old, env=clean, capture_output=True, text=True, check=False, timeout=1200)

    print(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.skipif(os.geteuid() != 0, reason="makes networks and roots")
def test_an_upgrade_under_load_of_one_node_after_the_other_loses_nothing(wheels):
    with Operated(wheels) as place:
        secret = start_former(place)
        assert versions(place) == ["404", "404"]
        with Load(place, secret) as load:
            go_on(place)
            upgrade(place)
        check(place, load.said)


def start_former(place):
    """The secret of a key there."""
    nodes = [place.hosts[name] for name in ("node-a", "node-b")]
    place.do("CREATE ROLE conduit", "useradd", "/usr/local/sbin/conduit")
    tree = former.tree()
    for node in nodes:
        shutil.copytree(tree, node.root / "opt/former")
        node.run("chmod -R go+rX /opt/former")
        node.run(AS_IT_WAS)
    nodes[0].run("/root/former migrate --verbosity=0")
    secret = nodes[0].run("/root/former create_key tests").strip()
    nodes[0].run(f"systemctl enable {UNITS} conduit-beat && systemctl start conduit.target")
    nodes[1].run(f"systemctl enable {UNITS} && systemctl start conduit.target")
    for node in nodes:
        node.run(READY)
    place.do("systemctl restart nginx")
    return secret


def upgrade(place):
    """As docs/operating.md says; the packages are there already."""
    for name in ("node-a", "node-b"):
        place.hosts[name].run("cp /opt/conduit/.venv/lib/python3*/site-packages/conduit/shipped/ops/systemd/* /etc/systemd/system/")
    place.hosts["node-a"].run("conduit migrate --verbosity=0")
    go_on(place)  # the former version alone, on today's tables
    block = place.block("for unit in conduit-web@8000")
    place.run(block, "node-a")
    assert versions(place) == ["401", "404"]
    go_on(place)  # both
    place.run(block, "node-b")
    assert versions(place) == ["401", "401"]
    go_on(place)


def versions(place):
    """How each node answers where the former version has nothing."""
    ask = f"curl --silent --output /dev/null --write-out '%{{http_code}}' --header 'Host: {NAME}' http://127.0.0.1:8000/metrics"
    return [place.hosts[name].run(ask) for name in ("node-a", "node-b")]


def go_on(place):
    """Until some more videos were made."""
    before, until = completed(place), time.monotonic() + MADE_SECONDS
    while completed(place) < before + MADE:
        assert time.monotonic() < until, "".join(place.hosts[name].logs() for name in ("node-a", "node-b"))
        time.sleep(1)


def completed(place):
    return int(place.sql("SELECT count(*) FROM tasks_task WHERE status = 'completed'")[0][0])


class Load:
    """Callers and streams beside the place, in the client's network; `said` is what became of them."""

    def __init__(self, place, secret):
        words = [sys.executable, "-m", "tests.ops.load", NAME, ADDRESSES["proxy"], str(place.authority), secret]
        self._client = place.hosts["client"]
        self._process = self._client.outside(*words, pipes=True, SSL_CERT_FILE=str(place.authority))

    def __enter__(self):
        assert self._process.stdout.readline() == b"begun\n", self._client.logs()
        return self

    def __exit__(self, *_):
        output, _ = self._process.communicate(b"\n", timeout=900)
        self.said = json.loads(output)


def check(place, said):
    """No request failed, each task is one job at MiniMax and was completed, and each stream was told all of it in order."""
    made = said["made"]
    print(f"\n{said['requests']} requests, {len(made)} tasks; streams ended {[one['ends'] for one in said['streams']]}")
    assert said["bad"] == []
    assert {tuple(row) for row in place.sql("SELECT id, status FROM tasks_task")} == {(task, "completed") for task in made.values()}
    jobs = json.loads(place.hosts["cloud"].run(f"curl --silent http://127.0.0.1:{MINIMAX}/sandbox/jobs"))
    assert collections.Counter(job["prompt"] for job in jobs) == dict.fromkeys(made, 1)
    events = {
        (int(position), task, status) for position, task, status in place.sql("SELECT position, task_id, status FROM tasks_taskevent")
    }
    for one in said["streams"]:
        assert ({tuple(event) for event in one["events"]} ^ events, one["problems"], one["backward"]) == (set(), [], 0)
        assert set(one["ends"]) <= {1012}
    assert place.hosts["node-a"].run("conduit check_ledger").startswith("The ledger adds up")
