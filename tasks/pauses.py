"""Stopping and resuming: sending to the provider, work on files, new work.

A pause is a row while it lasts, and the audit keeps its story. A worker that is about to do what it stops looks for it: a step right
before it begins (tasks.paused), a create with what it reads anyhow (`stops_new_work`). Ending one is deleting its row: tasks
that waited for it go on by themselves.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import capfirst

from conduit import clock, conditions, statements
from conduit.api.errors import Conflict, InvalidRequest, NotFound, Overloaded
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from conduit.statements import Columns, Statement, Steps
from keys import audit, budget_owners, known_models
from tasks.models import Pause, PauseKind

# When to come back while new work is refused without an end, in seconds.
REFUSED_RETRY_SECONDS = 60
NOT_ACCEPTED = "New videos are not accepted right now. Tasks that are under way go on."
# How the audit names what ends a pause whose end has come.
ITS_END = audit.Rule("the pause's own end")


def problems(fields: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a pause of these fields, by field; those that are missing are not judged."""
    found: dict[str, str] = {}
    kind, model, until = (fields.get(name) for name in ("kind", "model", "until"))
    if model and kind not in (None, PauseKind.SENDING):
        found["model"] = "`model` belongs to a pause of `sending` alone."
    elif model and not known_models.names_of(model):
        found["model"] = "`model` must be a model's name or alias."
    if fields.get("message") and kind not in (None, PauseKind.NEW_WORK):
        found["message"] = "`message` is told to who asks for new work: it belongs to a pause of `new_work` alone."
    if until and until <= clock.now():
        found["until"] = "`until` must be ahead."
    return found


def begin(*, who: str, kind: str, model: str = "", until: datetime | None = None, reason: str = "", message: str = "") -> Pause:
    """Stop it, from the next decision on: what was decided before still happens.

    Raises:
        InvalidRequest: `problems` finds one.
        Conflict: it is stopped already.
    """
    fields = {"kind": kind, "model": model, "until": until, "reason": reason, "message": message}
    _check(fields)
    if model:
        fields["model"] = known_models.names_of(model)[0]
    with transaction.atomic():
        end_those_over(clock.now())
        try:
            with transaction.atomic():
                pause = Pause.objects.create(created_by=who, **fields)
        except IntegrityError as error:
            raise Conflict(f"{capfirst(PauseKind(kind).label)} is paused already: change that pause, or end it first.") from error
        audit.record(who=who, action="pause", target=pause, **fields)
        _tell_on_commit()
    return pause


def change(pause: Pause, *, who: str, **fields: Any) -> None:
    """Write another end or other words.

    Raises:
        InvalidRequest: `problems` finds one.
        NotFound: the pause was ended meanwhile.
    """
    _check({"kind": pause.kind} | fields)
    with transaction.atomic():
        budget_owners.change(pause, who=who, **fields)
        _tell_on_commit()


def end(pause: Pause, *, who: str) -> None:
    """Resume. Raises NotFound when somebody else did meanwhile."""
    with transaction.atomic():
        if not _end(pause, who):
            raise NotFound("This pause was ended meanwhile.")
        _tell_on_commit()


def end_those_over(now: datetime) -> None:
    """Write the end of those whose end has come: nothing has obeyed them since."""
    for pause in Pause.objects.filter(until__lte=now):
        with transaction.atomic():
            _end(pause, ITS_END, until__lte=now)


def _end(pause: Pause, who: str, **still: Any) -> bool:
    deleted, _ = Pause.objects.filter(pk=pause.pk, **still).delete()
    if deleted:
        audit.record(who=who, action="resume", target=pause, kind=pause.kind, model=pause.model, began_at=pause.created_at)
    return bool(deleted)


def _check(fields: Mapping[str, Any]) -> None:
    for name, problem in problems(fields).items():
        raise InvalidRequest(problem, param=name)


# ---- New work ----------------------------------------------------------------------------------------------------------


_PAUSE = Columns(Pause, "p")
_STOPS_NOW = f"kind = '{PauseKind.NEW_WORK}' AND (until IS NULL OR until > %s)"
_PAUSE_OF_NEW_WORK = f"SELECT {_PAUSE.sql} FROM {_PAUSE.source} WHERE {_STOPS_NOW}"  # noqa: S608 - our own columns


def stops_new_work(moment: str) -> str:
    """Whether new work is refused, as a column of a statement that a create makes anyhow. `moment` stands there for when that is."""
    return f"EXISTS (SELECT 1 FROM {_PAUSE.source} WHERE {_STOPS_NOW.replace('%s', moment)})"  # noqa: S608 - our own table


def refusal_of_new_work() -> Overloaded:
    """What a create is answered while new work is refused: the administrator's words, and when to come back."""
    return statements.run(refusing_new_work())


def refusing_new_work() -> Steps[Overloaded]:
    """The same as steps."""
    now = clock.now()
    [rows] = yield [Statement(_PAUSE_OF_NEW_WORK, [now], _PAUSE.fields)]
    pause = _PAUSE.made_of(rows[0]) if rows else None
    if pause is None or pause.until is None:
        return Overloaded((pause and pause.message) or NOT_ACCEPTED, retry_after=REFUSED_RETRY_SECONDS)
    return Overloaded(pause.message or NOT_ACCEPTED, retry_after=math.ceil((pause.until - now).total_seconds()))


# ---- Told to everybody --------------------------------------------------------------------------------------------------


def _tell_on_commit() -> None:
    transaction.on_commit(lambda: conditions.refresh(PAUSED.name), robust=True)


def _standing() -> Findings:
    return {pause.what: pause.story for pause in Pause.objects.active(clock.now())}


PAUSED = Condition(
    name="paused",
    severity=Severity.NOTICE,
    says="Work is paused.",
    found_by="An administrator stopped it, in the console under Pauses or through /v1/admin/pauses.",
    what_to_do="End the pause when its reason is over: what waits goes on by itself.",
    look=_standing,
    leads_to="tasks/pause/",
    on_every_page=True,
)
