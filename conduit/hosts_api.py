"""The management API of hosts and their processes."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import NotFound
from conduit.metrics.roster import Host, hosts
from keys.hosts import drain, end_drain
from keys.management_api import ManagementView
from keys.models import Scope


class HostsView(ManagementView):
    scopes = {"GET": Scope.READ, "HEAD": Scope.READ}

    def get(self, request: Request) -> Response:
        return Response({"object": "list", "data": [show(host) for host in hosts()], "has_more": False})


class DrainView(ManagementView):
    scopes = {"POST": Scope.OPERATE, "DELETE": Scope.OPERATE}

    def post(self, request: Request, host: str) -> Response:
        _check(host)
        drain(host, who=self.who, by=self.who)
        return Response(show(_found(host)))

    def delete(self, request: Request, host: str) -> Response:
        _check(host)
        end_drain(host, who=self.who)
        return Response({"object": "host", "id": host, "drained": False})


def _check(host: str) -> None:
    if not any(one.name == host for one in hosts()):
        raise NotFound("No process of that host is at work.", param="host")


def _found(name: str) -> Host:
    return next(host for host in hosts() if host.name == name)


def show(host: Host) -> dict[str, Any]:
    return {
        "object": "host",
        "id": host.name,
        "drained": host.is_drained,
        "steps": host.steps,
        "processes": [
            {
                "object": "process",
                "id": process.name,
                "kind": process.kind,
                "version": process.version,
                "age_seconds": round(process.age_seconds),
                "memory_bytes": round(process.memory_bytes),
                "steps": process.steps,
            }
            for process in host.processes
        ],
    }
