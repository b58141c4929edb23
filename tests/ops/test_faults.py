"""Faults made on purpose: each is seen by Now within a minute, by its alert, and by the doctor, and by none of them when it is mended."""

import os
import resource
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from functools import partial

import psycopg
import pytest
import requests

from conduit.metrics.alerts import name_of, rules
from tests.ops.faulty import Faulty, resize
from tests.support.callers import busy
from tests.support.lookalike import Answer

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk"),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="wants Debian's prometheus, which `make soak` installs"),
]

# What the place promises; the other waits are as long as a slow machine may take.
NOW_SECONDS = 60.0
PATIENCE_SECONDS = 300.0
# The first minute of a video costs less here than MiniMax bills for one: the notice of it is there from the beginning.
AS_IT_COMES = {"models_lose_money"}
LASTS = {rule.alert: rule.lasts for rule in rules()}


@pytest.fixture(scope="module")
def place():
    with Faulty() as place:
        task = place.make("a cat that is completed")
        place.until(lambda: place.status(task) == "completed", PATIENCE_SECONDS)
        assert set(place.needs()) <= AS_IT_COMES, place.needs()
        yield place


def test_what_fails_of_one_account_key_host_or_process_is_seen_all_of_it_at_once(place):
    unseen(place, *ONES)
    with (
        another_clock(place),
        an_order_that_is_lost(place),
        accounts_that_refuse(place),
        dead(place, "worker 2", "media 2", "notifications 2"),
        full_disk(place),
        wrong_rows(place),
        descriptors_used_up(place),
        pool_used_up(place),
    ):
        seen(place, *ONES, subjects=("provider@", "media@", "notifications@", "web@"))


def test_late_lanes_are_seen_while_their_workers_hang(place):
    names = ("late_steps", "provider_workers", "media_workers")
    unseen(place, *names)
    with stopped(place, "media 1", "media 2"):
        task = place.make("a horse that waits for media")
        place.until(lambda: lane_of(place, task) == "media", PATIENCE_SECONDS)
        with stopped(place, "worker 1", "worker 2"):
            place.make("a cow that nobody orders")
            # A step is late when it was due for a minute.
            seen(place, *names, seconds=60 + NOW_SECONDS, subjects=("provider", "media"))
    unseen(place, *names)


def test_a_bucket_that_is_missing_and_a_storage_that_hangs_are_seen(place):
    unseen(place, "storage")
    place.lose_bucket()
    try:
        seen(place, "storage")
    finally:
        place.make_bucket()
    unseen(place, "storage")

    place.wire_to_storage.silence(for_good=True)
    try:
        seen(place, "storage")
    finally:
        place.wire_to_storage.cut()  # who waits on a silent connection hears that it is gone
        place.wire_to_storage.mend()
    unseen(place, "storage")


def test_that_beat_or_control_is_gone_is_seen(place):
    for name in ("beat", "control"):
        unseen(place, name, "processes")
        with dead(place, name):
            seen(place, name)
    unseen(place, "beat", "control", "processes")


def test_that_redis_is_away_is_seen(place):
    unseen(place, "redis")
    place.valkey.stop()
    try:
        seen(place, "redis")
    finally:
        place.valkey.start()
    unseen(place, "redis")


def test_that_the_database_is_away_is_seen(place):
    unseen(place, "database")
    with place.postgres.away():
        now = place.until(lambda: "The database does not answer" in place.now(), NOW_SECONDS)
        alert = place.until(lambda: name_of("database") in (place.alerts() or ()), PATIENCE_SECONDS)
        print(f"database {now:.0f} s, alert {now + alert:.0f} s", flush=True)
        assert [found["status"] for found in place.doctor() if found["about"] == "database"] == ["unavailable"]
    unseen(place, "database")


# ---- Who sees it


def seen(place, *names, seconds=NOW_SECONDS, subjects=()):
    """All of these on Now within so many seconds, in what the doctor tells, and then as alerts. `subjects`: words that Now says too."""
    began, now, fired, lacks = time.monotonic(), {}, {}, []

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
    findings = [f"{found['about']}: {found['says']}" for found in place.doctor()]
    assert [name for name in names if not any(f"conditions: {name}" in finding for finding in findings)] == [], findings
    place.until(lambda: look() is not None and len(fired) == len(names), PATIENCE_SECONDS, lacks=lambda: set(names) - set(fired))
    for name in names:
        print(f"{name:22} on Now after {now[name]:5.1f} s, {name_of(name)} ({LASTS[name_of(name)]}) after {fired[name]:5.1f} s", flush=True)


def unseen(place, *names):
    """Neither on Now nor as an alert: what was mended is told of no more."""

    def told():
        return [*(set(names) & set(place.needs())), *({name_of(name) for name in names} & (place.alerts() or set()))]

    place.until(lambda: not told(), PATIENCE_SECONDS, lacks=told)


# ---- Faults

ONES = (
    *("processes", "clocks", "ledger", "keys_expire", "budgets", "minimax_lost_orders", "disk", "descriptors", "database_pool"),
    *("minimax_key", "minimax_balance", "minimax_rate"),
)


@contextmanager
def another_clock(place):
    """One more worker, on a host whose clock is 3 s off."""
    workers = "SELECT count(*) FROM conditions_process WHERE name LIKE 'provider@%%'"
    [(before,)] = place.sql(workers)
    place.start("worker 3", clock="+3s")
    place.until(lambda: place.sql(workers) == [(before + 1,)], PATIENCE_SECONDS)
    # One that begins after another was last heard would be taken for the one in its place, should that be killed.
    heard = f"{workers} AND heard_at > (SELECT max(began_at) FROM conditions_process WHERE name LIKE 'provider@%%')"
    place.until(lambda: place.sql(heard) == [(before + 1,)], PATIENCE_SECONDS)
    try:
        yield
    finally:
        place.stop("worker 3")


@contextmanager
def an_order_that_is_lost(place):
    """For an hour nobody has known whether MiniMax took it."""
    place.accounts[0].next("create", Answer(cut_after=0, accepted=True))
    task = place.make("a dog whose order is lost")
    place.until(lambda: place.call("GET", f"/v1/tasks/{task}").json()["stage"] == "reconciling", PATIENCE_SECONDS)
    place.sql("UPDATE tasks_task SET stage_since = stage_since - interval '1 hour' WHERE id = %s", task)
    yield


@contextmanager
def accounts_that_refuse(place):
    """Of three accounts one has a wrong key, one no money, and one too many orders; and there are orders for each."""
    for name, minimax in zip(("east", "west"), place.accounts[1:], strict=True):
        account = {"name": name, "kind": "minimax_v1", "base_url": minimax.url, "key": minimax.key}
        answer = place.call("POST", "/v1/admin/accounts", manager=0, json=account)
        assert answer.status_code == 201, answer.text
    for minimax, code in zip(place.accounts, (1004, 1008, 1002), strict=True):
        minimax.always("create", Answer(code=code))
    for number in range(6):
        place.make(f"a bird that waits {number}")
    try:
        yield
    finally:
        for minimax in place.accounts:
            minimax.ordinary()
        place.sql("UPDATE videos_provideraccount SET cause = '', state = 'on'")


@contextmanager
def dead(place, *names):
    """Killed, and started again in the end."""
    for name in names:
        place.processes[name].kill()
    try:
        yield
    finally:
        for name in names:
            place.start(name)


@contextmanager
def stopped(place, *names):
    place.signal(signal.SIGSTOP, *names)
    try:
        yield
    finally:
        place.signal(signal.SIGCONT, *names)


@contextmanager
def full_disk(place):
    resize(place.home, "1g")
    try:
        yield
    finally:
        resize(place.home, "8g")


@contextmanager
def wrong_rows(place):
    """A charge that was altered, keys that end soon, and another key of whose budget nine tenths are held."""
    [(task,)] = place.sql("SELECT id FROM tasks_task WHERE status = 'completed' LIMIT 1")
    key = {"name": "spender", "budgets": [{"period": "daily", "amount": "0.22"}]}
    answer = place.call("POST", "/v1/admin/keys", manager=0, json=key)
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['secret']}"}
    body = {"model": "minimax-video", "prompt": "a fish that holds money"}
    assert requests.post(f"{place.url}/v1/video/generations", json=body, headers=headers, timeout=30).status_code == 202
    place.sql("UPDATE tasks_task SET charged = charged - 0.05 WHERE id = %s", task)
    place.sql("UPDATE keys_virtualkey SET expires_at = now() + interval '3 days'")
    try:
        yield
    finally:
        place.sql("UPDATE tasks_task SET charged = charged + 0.05 WHERE id = %s", task)
        place.sql("UPDATE keys_virtualkey SET expires_at = NULL")


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
    team = f"/v1/admin/teams/{answer.json()['id']}"

    def change(manager, over):
        while not over.wait(0.05):
            with suppress(requests.RequestException):
                place.call("PATCH", team, manager=manager, web="web 2", json={"name": f"held by {manager}"})

    def log_in(over):
        while not over.wait(0.05):
            with suppress(requests.RequestException, IndexError):  # an error's page has no form
                place.log_in(requests.Session(), "a wrong one", web="web 2")

    with busy(partial(change, 1), partial(change, 2), log_in, log_in), psycopg.connect(place.postgres.url("conduit")) as holder:
        holder.execute("SELECT FROM keys_team WHERE id = %s FOR UPDATE", [answer.json()["id"]])
        yield


def lane_of(place, task):
    [(lane,)] = place.sql("SELECT lane FROM tasks_task WHERE id = %s", task)
    return lane
