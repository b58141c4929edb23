"""The doctor, asked through the management API."""

from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.openapi.operations import Answer, Operation, describe
from conduit.api.openapi.shapes import constant, listed, or_null, record, text, word
from conduit.conditions import Severity
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


# ---- What the API's document says of it (conduit.api.openapi) -----------------------------------------------------------

describe(
    "POST /v1/admin/doctor",
    Operation(
        tag="Management: the place",
        summary="Ask the doctor",
        about="What is well with the place and what is not, found out now: it calls servers, storage and MiniMax, and takes some seconds. "
        "The ledger, which it would read whole, is left out.",
        answers={
            200: Answer(
                "What was found.",
                record(
                    "A report.",
                    {
                        "object": constant("doctor_report", "What this is."),
                        "status": word("The worst of it.", ("well", *(severity.word for severity in Severity))),
                        "findings": listed(
                            "One for each thing that was looked at.",
                            record(
                                "A finding.",
                                {
                                    "about": text("What it is about.", "database"),
                                    "status": word("How it is.", ("well", *(severity.word for severity in Severity))),
                                    "says": text("What was found.", "All migrations are applied."),
                                    "what_to_do": or_null(text("What to do about it.", "Run `manage.py migrate`."), null=True),
                                },
                            ),
                        ),
                    },
                ),
            )
        },
    ),
)
