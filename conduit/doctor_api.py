"""The doctor, asked through the management API."""

from rest_framework.request import Request
from rest_framework.response import Response

from conduit.doctor.registry import asked, report
from keys import audit
from keys.management_api import ManagementView
from keys.models import Scope


class DoctorView(ManagementView):
    """A POST, since it writes a file and calls others: what is well and what is not. It takes some seconds."""

    scopes = {"POST": Scope.OPERATE}
    instead = {"GET": "The doctor is asked with POST /v1/admin/doctor: it calls others, and takes some seconds."}

    def post(self, request: Request) -> Response:
        audit.record(who=self.who, action="ask", target="doctor")
        return Response({"object": "doctor_report", **report(list(asked(takes_long=False)))})
