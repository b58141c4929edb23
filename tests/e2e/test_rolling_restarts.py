"""Web processes behind nginx are restarted in turn, and PostgreSQL once, on hosts whose clocks differ: nobody loses anything."""

import collections
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from tasks.leases import CLAIM_SECONDS
from tests.browser.chromium import chromium
from tests.browser.consumer import Consumer
from tests.browser.serving import site
from tests.support.callers import Caller, Creator, Outcome, Probe, Reader, busy
from tests.support.fleet import Fleet
from tests.support.followers import Socket, Told, hub_clients, stored

ROUNDS = 3
READERS, CREATORS, SOCKETS, HUBS = 4, 2, 6, 6
# Chromium opens six connections to a host for all pages of one profile.
PROFILES, SOURCES_PER_PROFILE = 2, 4
# A clip takes the sandbox about eight seconds, and is asked for so often.
TIME_SCALE, POLL_SECONDS = "0.05", 2.0
# Beyond the pause between two polls: ticks, and a machine that is busy with all this. A worker that went by a clock 1.5 s behind would
# be told after a minute.
NOTICED_SECONDS = 10.0
STEADY_SECONDS = 3.0
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Place:
    """Where a consumer's page calls, and with which key."""

    url: str
    secret: str


@dataclass
class Load:
    """Everybody who is busy with the fleet, and what became of them."""

    callers: list[Caller]
    creators: list[Creator]
    told: list[Told] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    restarts: list[tuple[float, float]] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for caller in self.callers for outcome in caller.outcomes]

    @property
    def made(self) -> dict[str, str]:
        return {prompt: task_id for creator in self.creators for prompt, task_id in creator.made.items()}

    def in_an_outage(self, began: float, ended: float) -> bool:
        return any(began <= back and ended >= away for away, back in self.outages)


@pytest.mark.soak
def test_rolling_restarts_behind_nginx_lose_nothing_although_clocks_differ_and_postgresql_restarts():
    with Fleet(time_scale=TIME_SCALE, MINIMAX_POLL_SECONDS=str(POLL_SECONDS), LEASE_SECONDS="15") as fleet:
        secret = fleet.manage("create_key", "tests").strip()
        load = under_load(fleet, secret)

        figures(fleet, load)
        check_requests(load)
        check_tasks(fleet, load)
        check_streams(fleet, load)
        check_clips_were_noticed(fleet, load)
        assert fleet.manage("check_ledger").startswith("The ledger adds up")
        assert fleet.dead() == []


def under_load(fleet: Fleet, secret: str) -> Load:
    """Restart everything while callers and streams are busy, and wait until all that was made has ended and was told."""
    creators = [Creator(fleet.url, secret, f"creator {number}") for number in range(CREATORS)]
    load = Load([*creators], creators)
    load.callers += [Reader(fleet.url, secret, lambda: list(load.made.values())) for _ in range(READERS)]
    sockets = [Socket(fleet.url, secret, number) for number in range(SOCKETS)]
    probe = Probe(fleet.postgres.url("conduit"))
    with hub_clients(fleet.url, secret, HUBS) as hubs, event_sources(fleet.url, secret) as sources:
        load.told = [socket.told for socket in sockets] + hubs
        with busy(probe.go_on, *(socket.go_on for socket in sockets)):
            with busy(*(caller.go_on for caller in load.callers)):
                restart_everything(fleet, load)
            until_all_have_ended(fleet)
            time.sleep(STEADY_SECONDS)  # what comes twice or late comes now
        load.told += sources()
    load.outages = probe.outages()
    return load


def restart_everything(fleet: Fleet, load: Load) -> None:
    fleet.until(lambda: len(load.made) >= CREATORS, 60)
    for number in range(ROUNDS):
        for name in ("web 1", "web 2"):
            time.sleep(STEADY_SECONDS)
            load.restarts.append(fleet.restart(name))
            if (number, name) == (ROUNDS // 2, "web 1"):
                time.sleep(STEADY_SECONDS)
                fleet.postgres.restart(pause=2)
    time.sleep(STEADY_SECONDS)


def until_all_have_ended(fleet: Fleet) -> None:
    try:
        fleet.until(lambda: not waiting(fleet), 240)
    except AssertionError:
        raise AssertionError(f"{waiting(fleet)} do not end; dead are {fleet.dead()}") from None


def waiting(fleet: Fleet) -> list[tuple[str, str, int]]:
    """How many tasks have not ended, by their stage and trouble."""
    return fleet.sql("SELECT stage, trouble, count(*) FROM tasks_task WHERE NOT status = ANY(%s) GROUP BY 1, 2", list(ENDED))


@contextmanager
def event_sources(url: str, secret: str) -> Iterator[Callable[[], list[Told]]]:
    """EventSources of pages in Chromium; what you get tells what they were told."""
    names = [f"source {number}" for number in range(SOURCES_PER_PROFILE)]
    with ExitStack() as opened:
        browser, origin = opened.enter_context(chromium()), opened.enter_context(site())
        pages = []
        for _ in range(PROFILES):
            page = opened.enter_context(browser.new_context()).new_page()
            page.goto(f"{origin}/")
            consumer = Consumer(page, Place(url, secret))
            for name in names:
                consumer.open_event_source(name, after=0)
            pages.append(consumer)
        yield lambda: [told_to(page, name, number) for number, page in enumerate(pages) for name in names]


def told_to(page: Consumer, name: str, number: int) -> Told:
    told = Told(f"page {number}, {name}")
    told.connections = [[event for message in page.seen(name) if (event := stored(message))]]
    ended, failures = page.page.evaluate("(name) => [streams[name].ended, streams[name].failures]", name)
    told.ends = ["cut"] * failures
    told.problems = [] if ended is None else ["readyState was CLOSED"]
    return told


def check_requests(load: Load) -> None:
    """None failed, but for those that PostgreSQL's own outage refused, with the code that says so."""
    bad = [outcome for outcome in load.outcomes if not outcome.is_good]
    assert [outcome for outcome in bad if not load.in_an_outage(outcome.began, outcome.ended)] == []
    assert [outcome for outcome in bad if outcome.how != 503] == []


def check_tasks(fleet: Fleet, load: Load) -> None:
    """Each create whose answer had arrived is one task and one job at MiniMax, and came to its end."""
    made = load.made
    stored_tasks = fleet.sql("SELECT task.id::text, prompt, status, error_code FROM tasks_task task JOIN videos_video ON task_id = task.id")
    assert {prompt: task_id for task_id, prompt, _, _ in stored_tasks} == made
    assert len(stored_tasks) == len(made) == len(set(made.values()))
    assert [row for row in stored_tasks if row[2] != "completed"] == []
    assert collections.Counter(job["prompt"] for job in fleet.sandbox("jobs")) == dict.fromkeys(made, 1)


def check_streams(fleet: Fleet, load: Load) -> None:
    """Every client was told every event, in order, and none was closed for good."""
    expected = set(fleet.sql("SELECT position, task_id::text, status FROM tasks_taskevent"))
    for told in load.told:
        is_hub = told.name.startswith("hub")
        mine = {event for event in expected if event[2] != "queued"} if is_hub else expected
        assert (told.events ^ mine, told.problems) == (set(), []), told.name
        assert told.ends != [], told.name
        # What comes live to a hub's client before it resumes may come again, after what it missed.
        assert told.backward() == 0 or is_hub, told.name
        if told.name.startswith("socket"):
            assert set(told.ends) == {1012}, told.name


def check_clips_were_noticed(fleet: Fleet, load: Load) -> None:
    """Within a poll, whichever worker asks; a step whose worker could not reach PostgreSQL is handed out anew when its claim is over."""
    late = {}
    for prompt, (ended, noticed) in clips(fleet).items():
        patience = POLL_SECONDS + NOTICED_SECONDS
        if load.in_an_outage(ended - CLAIM_SECONDS, noticed):
            patience += CLAIM_SECONDS + sum(back - away for away, back in load.outages)
        if noticed - ended > patience:
            late[prompt] = noticed - ended
    assert late == {}


def clips(fleet: Fleet) -> dict[str, tuple[float, float]]:
    """When each clip was made at MiniMax, and when the first query was told so, by its prompt and the monotonic clock."""
    monotonic = time.monotonic() - time.time()
    told: dict[str, float] = {}
    for entry in fleet.sandbox("log"):
        if entry["call"] == "query" and entry.get("status") == "Success":
            told.setdefault(entry["task_id"], entry["at"])
    return {
        job["prompt"]: (job["created_at"] + job["seconds"] + monotonic, told[job["task_id"]] + monotonic) for job in fleet.sandbox("jobs")
    }


def figures(fleet: Fleet, load: Load) -> None:
    """What was measured, for whoever runs this with -s."""
    took = [outcome.ended - outcome.began for outcome in load.outcomes]
    bad = collections.Counter(
        f"{outcome.how} {'in' if load.in_an_outage(outcome.began, outcome.ended) else 'OUTSIDE'} the outage"
        for outcome in load.outcomes
        if not outcome.is_good
    )
    print(f"\n{len(took)} requests, p99 {statistics.quantiles(took, n=100)[98]:.2f} s, longest {max(took):.2f} s; not good: {dict(bad)}")
    print(f"{len(load.made)} tasks; PostgreSQL was away for {[f'{back - away:.1f} s' for away, back in load.outages]}")
    print("Web processes ended, and were ready again, after", [f"{ended:.1f} s, {ready:.1f} s" for ended, ready in load.restarts])
    made = clips(fleet).values()
    aside = sorted(noticed - ended for ended, noticed in made if not load.in_an_outage(ended - CLAIM_SECONDS, noticed))
    print(f"Clips noticed after {statistics.median(aside):.1f} s (median), {aside[-1]:.1f} s (longest), polls every {POLL_SECONDS:g} s;")
    print(f"with those that the outage met after {max(noticed - ended for ended, noticed in made):.1f} s at most")
    for told in load.told:
        ends = dict(collections.Counter(map(str, told.ends)))
        print(f"{told.name}: {len(told.events)} events, {told.backward()} went back, ended {ends}")
        print(f"    resumes refused {told.refused}, problems {told.problems}")
