"""ops/proxy/Caddyfile, run: web processes behind it are restarted one after the other, and nobody loses anything."""

import shutil
import time

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.ops.caddy import caddy
from tests.support.callers import Creator, Reader, busy
from tests.support.fleet import Fleet
from tests.support.followers import Socket

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not shutil.which("caddy"), reason="wants Debian's caddy, which `make soak` installs")]

STEADY_SECONDS = 3.0
# Of each process that ends, for each creator.
BAD_MOST = 2 * 2
ELSEWHERE = "127.0.0.9"


def test_web_processes_behind_caddy_are_restarted_and_no_read_fails_and_no_task_or_event_is_lost(monkeypatch):
    # No video is waited for: what counts is that calls and events come through.
    with Fleet(time_scale="1") as fleet, caddy([fleet._ports["web 1"], fleet._ports["web 2"]]) as served:
        url, authority = served
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        secret = fleet.manage("create_key", "tests").strip()
        creators = [Creator(url, secret, f"creator {number}") for number in range(2)]
        readers = [Reader(url, secret, lambda: [task for one in creators for task in one.made.values()]) for _ in range(2)]
        callers = [*creators, *readers]
        for caller in callers:
            caller._http.verify = str(authority)
        sockets = [Socket(url, secret, number) for number in range(2)]
        with busy(*(socket.go_on for socket in sockets)):
            with busy(*(caller.go_on for caller in callers)):
                fleet.until(lambda: all(one.made for one in creators), 60)
                for name in ("web 1", "web 2"):
                    fleet.restart(name)
                    time.sleep(STEADY_SECONDS)
            events = "SELECT position, task_id::text, status FROM tasks_taskevent"
            fleet.until(lambda: all(socket.told.events == set(fleet.sql(events)) for socket in sockets), 120)

        outcomes = [outcome for caller in callers for outcome in caller.outcomes]
        print(f"\n{len(outcomes)} requests, streams ended {[socket.told.ends for socket in sockets]}")
        bad = [outcome for outcome in outcomes if not outcome.is_good]
        # Debian's Caddy loses the body of a POST that it offers to a second process; the Idempotency-Key makes it good.
        assert [outcome for outcome in bad if not (outcome.what.startswith("POST") and outcome.how == 502)] == []
        assert len(bad) <= BAD_MOST
        made = {task for one in creators for task in one.made.values()}
        assert {task for (task,) in fleet.sql("SELECT id::text FROM tasks_task")} == made
        assert [(socket.told.problems, socket.told.backward()) for socket in sockets] == [([], 0)] * len(sockets)
        assert all(socket.told.ends for socket in sockets)
        from_elsewhere(url, authority, secret)
        assert f'"client": "{ELSEWHERE}"' in "".join(log.read_text() for log in fleet.home.rglob("web-*.log"))


def from_elsewhere(url, authority, secret):
    """Call by another address of this machine, which the processes learn from Caddy alone."""
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(authority)
        session.mount("https://", From())
        answer = session.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {secret}"}, timeout=30)
        assert answer.status_code == 200, answer.text


class From(HTTPAdapter):
    def init_poolmanager(self, *args, **named):
        super().init_poolmanager(*args, source_address=(ELSEWHERE, 0), **named)
