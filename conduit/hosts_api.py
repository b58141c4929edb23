"""The management API of hosts and their processes."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.errors import NotFound
from conduit.api.openapi.operations import Answer, Operation, describe, path_parameter
from conduit.api.openapi.shapes import Shape, component, constant, flag, or_null, record, text, whole
from conduit.api.openapi.shapes import listed as listed_shape
from conduit.api.openapi.story import tag
from conduit.metrics.roster import Host, host_named, hosts
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
        found(host)
        drain(host, who=self.who, by=self.who)
        return Response(show(found(host)))

    def delete(self, request: Request, host: str) -> Response:
        found(host)
        end_drain(host, who=self.who)
        return Response({"object": "host", "id": host, "drained": False})


def found(name: str) -> Host:
    """Raises NotFound."""
    if host := host_named(name):
        return host
    raise NotFound("No process of that host is at work.", param="host")


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


# ---- What the API's document says of it (conduit.api.openapi) -----------------------------------------------------------

TAG = "Management: the place"
tag(TAG, "Its hosts and processes, and the doctor.", order=75)

_PROCESS: Shape = record(
    "A process, as it told of itself within the last seconds.",
    {
        "object": constant("process", "What this is."),
        "id": text("Its name.", "provider@host-1:4711"),
        "kind": text("What it does.", "provider"),
        "version": text("Which release it runs.", "1.0.0"),
        "age_seconds": whole("For how long it has been at work.", 3600),
        "memory_bytes": whole("What it holds.", 180_000_000),
        "steps": or_null(whole("Jobs that it has at hand; null: it does none.", 3)),
    },
)
_HOST: Shape = component(
    "Host",
    record(
        "A host with the processes on it.",
        {
            "object": constant("host", "What this is."),
            "id": text("Its name.", "host-1"),
            "drained": flag("Whether its processes take nothing new.", False),
            "steps": whole("Jobs that they have at hand.", 3),
            "processes": listed_shape("Those at work.", _PROCESS),
        },
    ),
)
path_parameter("host", text("The name of a host, as its processes call it.", "host-1"))

describe(
    "GET /v1/admin/hosts",
    Operation(
        tag=TAG,
        summary="List hosts and processes",
        about="Every process that told of itself within 30 seconds, by host.",
        answers={
            200: Answer(
                "All of them.",
                record(
                    "Hosts.",
                    {
                        "object": constant("list", "What this is."),
                        "data": listed_shape("By name.", _HOST),
                        "has_more": constant(False, "There are no pages."),
                    },
                ),
            )
        },
    ),
)
describe(
    "POST /v1/admin/hosts/{host}/drain",
    Operation(
        tag=TAG,
        summary="Drain a host",
        about="Its processes finish what they have and take nothing new: workers begin no step, `/health/ready` is 503. Again is fine.",
        answers={200: Answer("The host.", _HOST)},
        errors=("not_found",),
    ),
)
describe(
    "DELETE /v1/admin/hosts/{host}/drain",
    Operation(
        tag=TAG,
        summary="Let a host take work again",
        about="What `drain` said is over. Again is fine.",
        answers={
            200: Answer(
                "It does.",
                record(
                    "The host.",
                    {
                        "object": constant("host", "What this is."),
                        "id": text("Its name.", "host-1"),
                        "drained": constant(False, "Whether its processes take nothing new."),
                    },
                ),
            )
        },
        errors=("not_found",),
    ),
)
