"""How a create becomes a job, which is the same for every version of the API."""

from collections.abc import Callable
from typing import Any, Protocol

from videos.minimax.sandbox.callbacks import challenge
from videos.minimax.sandbox.catalogue import MODELS
from videos.minimax.sandbox.creation import PROMPT_LONGEST, Look, Wanted, read_body
from videos.minimax.sandbox.faults import Misspelt, parse_prompt
from videos.minimax.sandbox.messages import Answer, Refused, Request
from videos.minimax.sandbox.world import Entry, World, has, number_or_text, page, seconds, spoiled


class Refuse(Protocol):
    def __call__(self, code: int, message: str = "") -> Answer: ...


def accept(
    world: World,
    request: Request,
    entry: Entry,
    *,
    check: Callable[[dict[str, Any], Look], Wanted],
    prompt_of: Callable[[dict[str, Any]], Any],
    refuse: Refuse,
    answer: Callable[[int | str], Answer],
    fail: Callable[[int], Answer] = page,
) -> Answer:
    """Make the job that a request asks for, and answer as `answer`, `refuse` and `fail` say it."""
    try:
        account = world.check_key(request)
        fields = read_body(request.body)
        prompt = prompt_of(fields)
        entry["prompt"] = prompt[: PROMPT_LONGEST["v2"]] if isinstance(prompt, str) else None
        wanted = check(fields, world.look)
        directives = parse_prompt(wanted.prompt)
    except Refused as refusal:
        return refuse(refusal.code, refusal.message)
    except Misspelt as error:
        return refuse(2013, str(error))
    struck = world.strike("create", wanted.prompt, directives, (wanted.prompt,), entry)
    unable = spoiled(struck, refuse, fail)
    if unable:
        return unable
    if wanted.callback_url and (has(struck, "unreachable") or not challenge(wanted.callback_url)):
        return refuse(2013, "fail to check callback url")
    try:
        with world.room(account, MODELS[wanted.model].price(wanted.length, wanted.size, wanted.images)):
            job = world.jobs.accept(wanted, tuple(fault for fault in (*directives, *struck) if fault.of_the_job), account=account.name)
    except Refused as refusal:
        return refuse(refusal.code)
    world.faults.forget("create", wanted.prompt)
    world.callbacks.expect(job)
    entry["task_id"] = str(job.task_id)
    if job.succeeds():
        world.clips.prepare(world.clip(job))
    done = answer(number_or_text(job.task_id, job, struck))
    done.delay, done.cut = seconds(struck, "slow"), has(struck, "lost")
    return done
