"""The management API of what is paused."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from conduit.api.fields import MomentField, OneOfField, StrictSerializer, TextField
from conduit.api.formats import rfc3339
from conduit.api.idempotency import Idempotency, idempotent
from keys.management_api import ManagementView, found, listed, once
from keys.models import Scope
from tasks import pauses
from tasks.models import MODEL_CHARACTERS, PAUSE_WORDS_CHARACTERS, Pause, PauseKind


class WordsField(TextField):
    """A short text; null is none."""

    def __init__(self, *, most: int) -> None:
        super().__init__(required=False, allow_null=True)
        self.most = most

    def schema(self) -> dict[str, Any]:
        return super().schema() | {"maxLength": self.most}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).strip()
        if len(text) > self.most:
            raise self.refuse(f"may have at most {self.most} characters")
        return text


class PauseChange(StrictSerializer):
    until = MomentField(required=False, allow_null=True)
    reason = WordsField(most=PAUSE_WORDS_CHARACTERS)
    message = WordsField(most=PAUSE_WORDS_CHARACTERS)

    def read(self) -> dict[str, Any]:
        """The fields of a Pause that are named; raises what the error handler knows."""
        self.is_valid(raise_exception=True)
        return {name: "" if value is None and name != "until" else value for name, value in self.validated_data.items()}


class NewPause(PauseChange):
    kind = OneOfField(PauseKind.values)
    model = WordsField(most=MODEL_CHARACTERS)


class PausesView(ManagementView):
    parameters = ("limit", "after")
    scopes = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.OPERATE}

    def get(self, request: Request) -> Response:
        return Response(listed(Pause.objects.all(), request, lambda rows: [show(pause) for pause in rows]))

    @idempotent
    def post(self, request: Request, idempotency: Idempotency | None) -> Response:
        fields = NewPause(data=request.data).read()
        with once(idempotency):
            pause = pauses.begin(who=self.who, **fields)
            body, headers = show(pause), {"Location": f"/v1/admin/pauses/{pause.pk}"}
            if idempotency:
                idempotency.store(201, body, headers)
            return Response(body, status=201, headers=headers)


class PauseView(ManagementView):
    scopes = {"GET": Scope.READ, "HEAD": Scope.READ, "PATCH": Scope.OPERATE, "DELETE": Scope.OPERATE}

    def get(self, request: Request, pause_id: str) -> Response:
        return Response(show(found(Pause.objects.all(), pause_id, "pause_id")))

    def patch(self, request: Request, pause_id: str) -> Response:
        pause = found(Pause.objects.all(), pause_id, "pause_id")
        pauses.change(pause, who=self.who, **PauseChange(data=request.data).read())
        return Response(show(pause))

    def delete(self, request: Request, pause_id: str) -> Response:
        pause = found(Pause.objects.all(), pause_id, "pause_id")
        answer = {"id": pause.pk, "object": "pause", "deleted": True}
        pauses.end(pause, who=self.who)
        return Response(answer)


def show(pause: Pause) -> dict[str, Any]:
    return {
        "id": pause.pk,
        "object": "pause",
        "kind": pause.kind,
        "model": pause.model or None,
        "until": rfc3339(pause.until),
        "reason": pause.reason or None,
        "message": pause.message or None,
        "created_at": rfc3339(pause.created_at),
        "created_by": pause.created_by,
    }
