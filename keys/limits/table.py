"""All that a key may be limited to, in one table.

The management API and the command (keys.requests, `create_key`), the console's form, what is shown (keys.presentation) and the
API's document (keys.openapi) are made of it. Beside its row a limit has a column (VirtualKey) and a place that keeps to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from conduit.api.fields import NamedField
from conduit.api.formats import money
from keys.limits.fields import (
    DaysField,
    FactorField,
    LimitField,
    OptionalNetworksField,
    OptionalSizeField,
    OptionalTextsField,
    OverLimitField,
    PriceLimitField,
    PriorityField,
    WeightField,
)
from keys.price_factors import written


class Group(Enum):
    """Under which words the console's form has it."""

    CALLS = "Limits of calls"
    TASKS = "Limits of tasks"
    KEPT = "What is kept"


@dataclass(frozen=True, kw_only=True)
class KeyLimit:
    column: str  # of VirtualKey
    group: Group
    field: Callable[[], NamedField]  # what the API takes for it
    option: str  # of `manage.py create_key`
    value: str  # what that option's value is called
    help: str  # and what it says of itself
    about: str  # what the API's document says
    example: Any
    null: str = "Null: no limit."  # what null means there
    parameter: str = ""  # of the API; the column's name where it is not another
    show: Callable[[Any], Any] = lambda value: value
    is_told_to_holders: bool = True

    def __post_init__(self) -> None:
        if not self.parameter:
            object.__setattr__(self, "parameter", self.column)


_PLACE_GIVES, _PLACE_SAYS = "Null: as many as the place gives everybody.", "Null: what the place says."

LIMITS = (
    KeyLimit(
        column="creates_per_minute",
        group=Group.CALLS,
        field=LimitField,
        option="--rpm",
        value="CALLS",
        help="creating calls (create, retry, estimate) per minute",
        about="Calls that create, retry or estimate, in any minute.",
        example=60,
        null=_PLACE_GIVES,
    ),
    KeyLimit(
        column="creates_per_day",
        group=Group.CALLS,
        field=LimitField,
        option="--rpd",
        value="CALLS",
        help="creating calls per day",
        about="The same in any 24 hours.",
        example=1000,
    ),
    KeyLimit(
        column="reads_per_minute",
        group=Group.CALLS,
        field=LimitField,
        option="--reads-per-minute",
        value="CALLS",
        help="all other calls per minute",
        about="All other calls, in any minute.",
        example=600,
        null=_PLACE_GIVES,
    ),
    KeyLimit(
        column="tasks_in_flight",
        group=Group.TASKS,
        field=LimitField,
        option="--in-flight",
        value="TASKS",
        help="tasks queued and processing at once",
        about="Tasks queued and processing at once.",
        example=3,
    ),
    KeyLimit(
        column="over_limit",
        group=Group.TASKS,
        field=OverLimitField,
        option="--over-limit",
        value="refuse|queue",
        help="what becomes of tasks beyond those in flight (refuse unless given)",
        about="What becomes of tasks beyond those: they are refused, or wait.",
        example="refuse",
        null="",
    ),
    KeyLimit(
        column="queue_max",
        group=Group.TASKS,
        field=LimitField,
        option="--queue-max",
        value="TASKS",
        help="tasks that may wait so",
        about="How many may wait so.",
        example=50,
    ),
    KeyLimit(
        column="tasks_per_hour",
        group=Group.TASKS,
        field=LimitField,
        option="--per-hour",
        value="TASKS",
        help="tasks created within an hour",
        about="Tasks created in any 60 minutes.",
        example=20,
    ),
    KeyLimit(
        column="longest_seconds",
        group=Group.TASKS,
        field=LimitField,
        option="--longest",
        value="SECONDS",
        help="duration of one video",
        about="Seconds of one video.",
        example=30,
    ),
    KeyLimit(
        column="largest_resolution",
        group=Group.TASKS,
        field=lambda: OptionalSizeField(required=False, allow_null=True),
        option="--largest",
        value="SIZE",
        help="largest resolution, such as 1280x720",
        about="Width and height of one video.",
        example="1280x720",
        show=lambda size: size or None,
    ),
    KeyLimit(
        column="highest_price",
        group=Group.TASKS,
        field=lambda: PriceLimitField(required=False, allow_null=True),
        option="--highest-price",
        value="USD",
        help="price of one task",
        about="What one task may cost.",
        example="0.5000",
        show=money,
    ),
    KeyLimit(
        column="price_factor",
        group=Group.TASKS,
        field=lambda: FactorField(required=False, allow_null=True),
        option="--price-factor",
        value="FACTOR",
        help="what it pays, as a multiple of the list price",
        about="What the key pays, as a multiple of the list price.",
        example="0.8",
        null="Null: its team's, else 1.",
        show=written,
    ),
    KeyLimit(
        column="weight",
        group=Group.TASKS,
        field=WeightField,
        option="--weight",
        value="SHARE",
        help="its share while creates at MiniMax are scarce (1 to 100; 1 unless given)",
        about="Its share while MiniMax takes less than is asked for.",
        example=1,
        null="",
    ),
    KeyLimit(
        column="priority",
        group=Group.TASKS,
        field=PriorityField,
        option="--priority",
        value="CLASS",
        help="0 to 2: a higher class is served before others, within bounds",
        about="Its class in that line.",
        example=0,
        null="",
        is_told_to_holders=False,  # it is the operator's affair
    ),
    KeyLimit(
        column="results_kept_days",
        group=Group.KEPT,
        field=DaysField,
        option="--results-kept",
        value="DAYS",
        help="after which results are deleted (RESULTS_KEPT_DAYS unless given)",
        about="Days after its end at which a task's result is deleted.",
        example=7,
        null=_PLACE_SAYS,
    ),
    KeyLimit(
        column="prompts_kept_days",
        group=Group.KEPT,
        field=DaysField,
        option="--prompts-kept",
        value="DAYS",
        help="after which prompts and metadata are deleted (PROMPTS_KEPT_DAYS unless given)",
        about="The same of its prompt and metadata.",
        example=30,
        null=_PLACE_SAYS,
    ),
    KeyLimit(
        column="model_names",
        parameter="models",
        group=Group.TASKS,
        field=lambda: OptionalTextsField(required=False, allow_null=True, source="model_names"),
        option="--models",
        value="A,B",
        help="the models that it may use",
        about="Names of the models that it may ask for. Empty: all.",
        example="minimax-video",
        null="",
    ),
    KeyLimit(
        column="ip_ranges",
        group=Group.CALLS,
        field=lambda: OptionalNetworksField(required=False, allow_null=True),
        option="--ips",
        value="A,B",
        help="addresses or networks that it may be used from",
        about="Addresses and networks that it may come from. Empty: all.",
        example="10.0.0.0/8",
        null="",
    ),
)


def columns_of(group: Group) -> list[str]:
    return [limit.column for limit in LIMITS if limit.group is group]
