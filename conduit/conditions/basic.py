"""The conditions that need no other room to be known."""

import redis

from conduit import heartbeats
from conduit.conditions.looking import LOOKS
from conduit.conditions.processes import missed, nobody_of
from conduit.conditions.reading import CONTROL, DATABASE
from conduit.conditions.registry import Condition, Findings, Severity


def _redis_is_away() -> Findings:
    try:
        heartbeats.redis_answers()
    except redis.RedisError as error:
        return {"": f"No answer ({type(error).__name__})."}
    return {}


CONDITIONS = (
    Condition(
        name=DATABASE,
        severity=Severity.UNAVAILABLE,
        says="The database does not answer.",
        found_by="A request that asks how the place is cannot read it.",
        what_to_do="Start PostgreSQL, and see that DATABASE_URL leads to it from this host.",
    ),
    Condition(
        name="redis",
        severity=Severity.UNAVAILABLE,
        says="Redis does not answer: work goes on, but more slowly, events come late, and limits of calls are not counted.",
        found_by="The control process calls it.",
        what_to_do="Start Redis, and see that REDIS_URL leads to it.",
        look=_redis_is_away,
    ),
    # Before those that ask whether anybody of a kind is left.
    Condition(
        name="processes",
        severity=Severity.DEGRADED,
        says="A worker or beat that was at work is missed.",
        found_by="Each says every 5 seconds that it is at work; this one was not heard for 30, and had not said that it ends.",
        what_to_do="Start it again, or see its log when it runs. One that will not come back is forgotten after a day, "
        "or by `manage.py forget_process NAME`.",
        look=missed,
    ),
    Condition(
        name=CONTROL,
        severity=Severity.UNAVAILABLE,
        says="No control process is at work: nobody looks at the place, nothing goes on after a pause, and figures stand still.",
        found_by="Nobody has looked at the place for 30 seconds, or control was not heard for as long.",
        what_to_do="Start the Procfile's `control`, and see its log when it runs already.",
        look=nobody_of("control"),
    ),
    Condition(
        name="beat",
        severity=Severity.UNAVAILABLE,
        says="No beat is at work: nothing goes on after a pause, figures stand still, and nothing is cleaned up.",
        found_by="It was not heard for 30 seconds to send the control process its ticks.",
        what_to_do="Start the Procfile's `beat`, and see its log when it runs already.",
        look=nobody_of("beat"),
    ),
    Condition(
        name=LOOKS,
        severity=Severity.DEGRADED,
        says="Something cannot be looked at: whether it is well is not known.",
        found_by="A look of the control process failed.",
        what_to_do="See the log of `control` for the error.",
    ),
)
