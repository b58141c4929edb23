"""Faults made on purpose: each is seen by Now within a minute, by its alert, and by the doctor."""

import os
import resource
import shutil
import signal
import threading
import time
from contextlib import contextmanager, suppress

import psycopg
import pytest
import requests

from conduit.metrics.alerts import name_of, rules
from tests.ops.faulty import Faulty, resize
from tests.support.lookalike import Answer

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk"),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="wants Debian's prometheus, which `make soak` installs"),
]

NOW_SECONDS = 60.0
# An alert of a notice is told after two minutes.
ALERT_SECONDS = 150.0
# The first minute of a video costs less here than MiniMax bills for one: the notice of it is there from the beginning.
AS_IT_COMES = {"models_lose_money"}
LASTS = {rule.alert: rule.lasts for rule in rules()}


def test_each_fault_is_seen_by_now_by_its_alert_and_by_the_doctor():
    with Faulty() as place:
        seen = Seen(place)
        task = place.make("a cat that is completed")
        place.until(lambda: place.call("GET", f"/v1/tasks/{task}").json()["status"] == "completed", 120)
        assert set(place.needs()) <= AS_IT_COMES, place.needs()
        everything_but_servers(place, seen, task)
        late_lanes(place, seen)
        storage(place, seen)
        seen.show()


class Seen:
    """When each fault was seen, and by whom: `(seconds until Now, seconds until the alert, what the doctor said)` by condition."""

    def __init__(self, place):
        self._place = place
        self._all = {}

    def expect(self, *names, seconds=NOW_SECONDS, doctor=True, subjects=()):
        """All of these on Now within a minute, in what the doctor tells, and then as alerts. `subjects`: words that Now says too."""
        place, began = self._place, time.monotonic()
        now, fired, lacks = {}, {}, []

        def look():
            needs, told = place.needs(), place.alerts() or set()
            for name in names:
                if name in needs:
                    now.setdefault(name, time.monotonic() - began)
                if name_of(name) in told:
                    fired.setdefault(name, time.monotonic() - began)
            lacks[:] = [name for name in names if name not in now] + [word for word in subjects if word not in "".join(needs.values())]
            return not lacks

        place.until(look, seconds, lacks=lambda: lacks)
        findings = [f"{found['about']}: {found['says']}" for found in place.doctor()] if doctor else []
        if doctor:
            unsaid = [name for name in names if not any(f"conditions: {name}" in finding for finding in findings)]
            assert unsaid == [], findings
        place.until(lambda: look() is not None and len(fired) == len(names), ALERT_SECONDS, lacks=lambda: set(names) - set(fired))
        self._all |= {name: (now[name], fired[name]) for name in names}
        print(*(f"{name} {now[name]:.0f} s, alert {fired[name]:.0f} s" for name in names), sep="; ", flush=True)

    def show(self):
        print()
        for name, (now, fired) in self._all.items():
            print(f"{name:22} on Now after {now:5.1f} s, {name_of(name)} ({LASTS[name_of(name)]}) after {fired:5.1f} s")


def everything_but_servers(place, seen, task):
    """What holds for one account, key, host or process, all of it at once."""
    place.start("worker 3", clock="+3s")
    # One that begins when another is gone would be taken for the one in its place.
    place.until(lambda: len(place.sql("SELECT name FROM conditions_process WHERE name LIKE 'provider@%%'")) == 3, 60)
    east = {"name": "east", "kind": "minimax_v1", "base_url": place.accounts[1].url, "key": place.accounts[1].key}
    west = {"name": "west", "kind": "minimax_v1", "base_url": place.accounts[2].url, "key": place.accounts[2].key}
    lost = [place.accounts[0].next("create", Answer(cut_after=0, accepted=True)), place.make("a dog whose order is lost")][1]
    place.until(lambda: place.call("GET", f"/v1/tasks/{lost}").json()["stage"] == "reconciling", 60)
    place.sql("UPDATE tasks_task SET stage_since = stage_since - interval '1 hour' WHERE id = %s", lost)
    for account in (east, west):
        answer = place.call("POST", "/v1/admin/accounts", manager=0, json=account)
        assert answer.status_code == 201, answer.text
    for minimax, code in zip(place.accounts, (1004, 1008, 1002), strict=True):
        minimax.always("create", Answer(code=code))
    for number in range(6):
        place.make(f"a bird that waits {number}")
    place.signal(signal.SIGKILL, "worker 2", "media 2", "notifications 2")
    resize(place.home, "1g")
    place.sql("UPDATE tasks_task SET charged = charged - 0.05 WHERE id = %s", task)
    place.sql("UPDATE keys_virtualkey SET expires_at = now() + interval '3 days'")
    spend_nearly_all(place)
    with descriptors_used_up(place), pool_used_up(place):
        seen.expect(
            *("processes", "clocks", "ledger", "keys_expire", "budgets", "minimax_lost_orders", "disk", "descriptors", "database_pool"),
            *("minimax_key", "minimax_balance", "minimax_rate"),
            subjects=("provider@", "media@", "notifications@", "web@"),
        )
    resize(place.home, "8g")


def spend_nearly_all(place):
    """Another key, of whose budget nine tenths are held."""
    key = {"name": "spender", "budgets": [{"period": "daily", "amount": "0.22"}]}
    answer = place.call("POST", "/v1/admin/keys", manager=0, json=key)
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['secret']}"}
    body = {"model": "minimax-video", "prompt": "a fish that holds money"}
    assert requests.post(f"{place.url}/v1/video/generations", json=body, headers=headers, timeout=30).status_code == 202


@contextmanager
def descriptors_used_up(place):
    """A worker has as many files open as it may, but for a few."""
    pid = place.processes["media 1"].pid
    former = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (int(len(os.listdir(f"/proc/{pid}/fd")) / 0.95) + 1, former[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, former)


@contextmanager
def pool_used_up(place):
    """Both connections of a web process wait for a row that somebody holds, and who wants to log in waits for one of them."""
    answer = place.call("POST", "/v1/admin/teams", manager=0, json={"name": "held"})
    assert answer.status_code == 201, answer.text
    team, over = answer.json()["id"], threading.Event()

    def keep_asking(number):
        while not over.wait(0.05):
            with suppress(requests.RequestException):
                if number < 2:
                    place.call("PATCH", f"/v1/admin/teams/{team}", manager=number + 1, web="web 2", json={"name": f"held {number}"})
                else:
                    place.log_in(requests.Session(), "a wrong one", web="web 2")

    threads = [threading.Thread(target=keep_asking, args=(number,)) for number in range(4)]
    with psycopg.connect(place.postgres.url("conduit")) as holder:
        holder.execute("SELECT FROM keys_team WHERE id = %s FOR UPDATE", [team])
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            holder.rollback()
            for thread in threads:
                thread.join()


def late_lanes(place, seen):
    """Steps of both lanes are due, and the workers that there are hang."""
    for minimax in place.accounts:
        minimax.ordinary()
    place.sql("UPDATE videos_provideraccount SET cause = '', state = 'on'")
    place.signal(signal.SIGSTOP, "media 1")
    task = place.make("a horse that waits for media")
    place.until(lambda: lane_of(place, task) == "media", 120)
    place.signal(signal.SIGSTOP, "worker 1", "worker 3")
    place.make("a cow that nobody orders")
    try:
        seen.expect("late_steps", "provider_workers", "media_workers", seconds=60 + NOW_SECONDS, subjects=("provider", "media"))
    finally:
        place.signal(signal.SIGCONT, "media 1", "worker 1", "worker 3")


def lane_of(place, task):
    [(lane,)] = place.sql("SELECT lane FROM tasks_task WHERE id = %s", task)
    return lane


def storage(place, seen):
    place.until(lambda: "provider_workers" not in place.needs(), 60)
    place.lose_bucket()
    seen.expect("storage")
    place.make_bucket()
    place.until(lambda: "storage" not in place.needs(), 90)
    place.wire_to_storage.silence(for_good=True)
    seen.expect("storage")
    place.wire_to_storage.mend()
