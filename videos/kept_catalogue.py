"""The catalogue, kept in this process at a version (conduit.versioned), which the triggers of migration 0015 write with every change
of models, prices and blocked terms. What finished clips teach about times changes none: others see that within LEARNED_SECONDS.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from conduit import clock, statements
from conduit.api.errors import InvalidRequest, NotFound
from conduit.statements import Statement
from conduit.versioned import Versioned, version_in
from tasks import outlooks
from tasks.outlooks import Lines
from tasks.pauses import stops_new_work
from videos import policy
from videos.catalogue import Offer, offers
from videos.inputs import Input
from videos.models import CatalogueVersion, VideoModel
from videos.planning import Expected, Plan, PlannedClip, plan
from videos.requests import GenerationRequest

# How long this process may go by what clips took, in seconds.
LEARNED_SECONDS = 10.0
# Plans that are remembered with a catalogue, some kilobytes each.
PLANS_MAX = 200
# How long delivery takes for each clip until finished ones tell, in seconds.
DELIVERY_SECONDS = 3.0
# The same for the image that a video may begin with, which MiniMax makes within the call.
IMAGE_SECONDS = 20.0


class CatalogueState(NamedTuple):
    """How the catalogue stands right now, for a key."""

    version: UUID | None
    is_stopped: bool  # an administrator refuses new work
    lines: Lines  # what a new task of the key has to expect


@dataclass(frozen=True)
class Planned:
    """A plan as it is stored, and how long it usually takes until all of it is delivered."""

    plan: Plan
    stored: dict[str, Any]
    seconds: float


def no_such_model() -> NotFound:
    return NotFound("There is no model of that name. GET /v1/models lists those that you may use.", code="model_not_found", param="model")


class Catalogue:
    """What can be asked for, and what may not be, at one version. Nobody changes one."""

    def __init__(self, version: UUID | None, found: list[Offer], blocked: re.Pattern[str] | None) -> None:
        self.version = version
        self._blocked = blocked
        self._offers = {name: offer for offer in reversed(found) for name in offer.model.names}  # the first has it
        self._planned = lru_cache(PLANS_MAX)(_planned)

    def offer_for(self, wanted: GenerationRequest) -> Offer:
        """The offer that this request names, checked to take it.

        Raises:
            NotFound: no such model.
            InvalidRequest: the model does not take this prompt or this size.
        """
        offer = self._offers.get(wanted.model)
        if offer is None:
            raise no_such_model()
        if len(wanted.prompt) > offer.model.prompt_limit:
            raise InvalidRequest(
                f"`prompt` has {len(wanted.prompt)} characters; {wanted.model} takes at most {offer.model.prompt_limit}.", param="prompt"
            )
        if wanted.resolution not in offer.factors:
            raise InvalidRequest(
                f"{wanted.model} does not make {wanted.resolution}. It makes {', '.join(offer.factors)}.", param="resolution"
            )
        return offer

    def plan(self, offer: Offer, *, duration: int, resolution: str, inputs: Sequence[Input] = ()) -> Planned:
        """How a video of that length and size is made by this offer of the catalogue.

        Raises:
            InvalidRequest: the model cannot make a video that long, or takes no such inputs.
        """
        if inputs:  # nobody else will be given the same
            return _planned(offer.model, duration, resolution, settings.MINIMAX_TIME_SCALE, inputs)
        return self._planned(offer.model, duration, resolution, settings.MINIMAX_TIME_SCALE)

    def check_prompt(self, prompt: str) -> None:
        """Raises ContentPolicyViolation for a prompt that holds a blocked term."""
        policy.check_prompt(prompt, self._blocked)


_catalogue: Versioned[Catalogue] = Versioned(LEARNED_SECONDS)
# This process's catalogue, if it is of that version; touches no database.
kept = _catalogue.at
# Has it read anew the next time.
forget = _catalogue.forget


def state_columns(moment: str, key: str) -> str:
    """What `state_of` reads, for a statement that is made anyway. There `moment` stands for when that is, `key` for the key's number."""
    return f"{version_in(CatalogueVersion._meta.db_table)}, {stops_new_work(moment)}, {outlooks.columns(key)}"


def state_of(row: Sequence[Any]) -> CatalogueState:
    version, is_stopped, *lines = row
    return CatalogueState(version, bool(is_stopped), Lines(*lines))


def state(key_id: int = outlooks.NEWCOMER) -> CatalogueState:
    """How it stands, in one query."""
    values = [clock.now(), *[key_id] * outlooks.KEY_TIMES]
    [[row]] = statements.do(Statement(f"SELECT {state_columns('%s', '%s')}", values))
    return state_of(row)


def read(version: UUID | None) -> Catalogue:
    """The catalogue of that version, which was read before."""
    return _catalogue.keep(version, Catalogue(version, offers(), policy.blocked_terms()))


def at(version: UUID | None) -> Catalogue:
    """The catalogue of that version, read only if another is kept."""
    return kept(version) or read(version)


def _planned(model: VideoModel, duration: int, resolution: str, time_scale: float, inputs: Sequence[Input] = ()) -> Planned:
    made = plan(model, duration=duration, resolution=resolution, expected=_expected(model, time_scale), inputs=inputs)
    delivered_in = sum(_delivered_in(model, clip) for clip in made.clips if clip.seconds)
    return Planned(made, made.as_json(), made.expected_seconds + delivered_in)


def _expected(model: VideoModel, time_scale: float) -> Expected:
    """How long MiniMax takes for a clip of this model, as it took lately."""

    def seconds_for(seconds: int, resolution: str) -> float:
        if not seconds:
            return IMAGE_SECONDS * time_scale
        known = model.took(seconds=seconds, resolution=resolution)
        return (known[0] if known else model.typical_seconds) * time_scale

    return seconds_for


def _delivered_in(model: VideoModel, clip: PlannedClip) -> float:
    known = model.took(seconds=clip.seconds, resolution=clip.resolution)
    return known[1] if known else DELIVERY_SECONDS
