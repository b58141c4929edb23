"""What may be said about keys, teams and budgets: one set of rules for the management API, the command and the console."""

from collections.abc import Iterable, Mapping
from datetime import MAXYEAR, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from rest_framework import serializers

from conduit import clock
from conduit.api.fields import (
    AmountField,
    FlagField,
    MomentField,
    NamedField,
    OneOfField,
    StrictSerializer,
    TextField,
    WholeField,
)
from conduit.api.formats import rfc3339
from keys import budgets
from keys.budgets import check_time_zone
from keys.known_models import check_models
from keys.limits.fields import (
    FactorField,
    LimitField,
    NullIsEmpty,
    OptionalNetworksField,
    TextsField,
    WeightField,
)
from keys.limits.table import LIMITS
from keys.models import Period, Scope, Team
from keys.names import NAME_CHARACTERS, tidy_name
from keys.services import GRACE, GRACE_MAX

BUDGETS_MAX = 20
_EMAIL_CHARACTERS = 254  # of the database's column


class NameField(NamedField):
    """A name for people (keys.names)."""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS}

    def to_internal_value(self, data: Any) -> str:
        try:
            return tidy_name(data if isinstance(data, str) else "")
        except ValueError as error:
            raise self.refuse(str(error)) from error


class TimeZoneField(NamedField):
    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise self.refuse("must be the name of a time zone, such as UTC or Europe/Berlin")
        check_time_zone(data)
        return data


class TeamField(NamedField):
    """A team's id."""

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"}

    def to_internal_value(self, data: Any) -> Team:
        team = None if isinstance(data, bool) or not isinstance(data, int) or abs(data) >= 2**63 else Team.objects.filter(pk=data).first()
        if team is None:
            raise self.refuse("must be the id of a team")
        return team


class ContactField(NullIsEmpty, TextField):
    """An e-mail address; null takes it away."""

    empty = ""

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "email", "maxLength": _EMAIL_CHARACTERS}

    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data).strip()
        try:
            validate_email(address)
        except ValidationError as error:
            raise self.refuse("must be an e-mail address") from error
        if len(address) > _EMAIL_CHARACTERS:
            raise self.refuse(f"may have at most {_EMAIL_CHARACTERS} characters")
        return address


class LimitsSerializer(StrictSerializer):
    """Each left out stays as it is, null or empty does not limit (keys.limits.table)."""

    def get_fields(self) -> dict[str, Any]:
        return {limit.parameter: limit.field() for limit in LIMITS}

    def validate_models(self, names: list[str]) -> list[str]:
        try:
            check_models(names)
        except ValueError as error:
            raise serializers.ValidationError(f"`models` {error}.") from error
        return names


class BudgetSerializer(StrictSerializer):
    period = OneOfField(Period.values)
    time_zone = TimeZoneField(default="UTC")
    amount = AmountField()
    raised_to = AmountField(default=None, allow_null=True)
    raised_until = MomentField(default=None, allow_null=True)

    def validate_raised_until(self, moment: datetime | None) -> datetime | None:
        return check_future(moment, "raised_until")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_raise(**attrs)
        return attrs


def check_future(moment: datetime | None, name: str) -> datetime | None:
    """Raises ValidationError for an end that is over, since what shall end now is disabled, deleted or left out; or that is none."""
    if moment is not None and moment <= clock.now():
        raise serializers.ValidationError(f"`{name}` must be in the future; {rfc3339(moment)} is not.")
    if moment is not None and moment.year == MAXYEAR:  # its last day is beyond the calendar in some time zones
        raise serializers.ValidationError(f"`{name}` must be before the year {MAXYEAR}; null is without an end.")
    return moment


def check_raise(*, amount: Any, raised_to: Any, raised_until: Any, **_: Any) -> None:
    """A temporary raise is both: how much, which is more than the budget, and until when."""
    if (raised_to is None) != (raised_until is None):
        missing = "raised_until" if raised_until is None else "raised_to"
        raise serializers.ValidationError({missing: "`raised_to` and `raised_until` go together: a raise has an amount and an end."})
    if raised_to is not None and raised_to <= amount:
        raise serializers.ValidationError({"raised_to": "`raised_to` must be more than `amount`: to lower a budget, change its amount."})


class BudgetsField(NamedField):
    """All the budgets that the key or team shall have."""

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "maxItems": BUDGETS_MAX, "items": BudgetSerializer}

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
            raise self.refuse("must be a list of objects")
        if len(data) > BUDGETS_MAX:
            raise self.refuse(f"may list at most {BUDGETS_MAX}")
        found = []
        for number, item in enumerate(data):
            budget = BudgetSerializer(data=item)
            if not budget.is_valid():
                raise serializers.ValidationError({str(number): budget.errors})
            found.append(dict(budget.validated_data))
        if len({budgets.name_of(**budget) for budget in found}) < len(found):
            raise self.refuse("may hold one total, and one budget for each period and time zone")
        return found


class TeamSerializer(StrictSerializer):
    name = NameField()
    price_factor = FactorField(required=False, allow_null=True)
    weight = WeightField()
    contact_email = ContactField()
    budgets = BudgetsField(required=False)


class KeySerializer(StrictSerializer):
    name = NameField()
    team = TeamField(required=False, allow_null=True)
    enabled = FlagField(required=False)
    expires_at = MomentField(required=False, allow_null=True)
    contact_email = ContactField()
    limits = LimitsSerializer(required=False)
    budgets = BudgetsField(required=False)

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        return check_future(moment, "expires_at")


class ScopesField(TextsField):
    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(Scope.values)}}

    def to_internal_value(self, data: Any) -> list[str]:
        listed = super().to_internal_value(data)
        if not listed or not set(listed) <= set(Scope.values):
            raise self.refuse(f"must list one or more of {', '.join(Scope.values)}")
        return [scope for scope in Scope.values if scope in listed]


class ManagementKeySerializer(StrictSerializer):
    name = NameField()
    expires_at = MomentField(required=False, allow_null=True)
    scopes = ScopesField(required=False)
    ip_ranges = OptionalNetworksField(required=False, allow_null=True)
    calls_per_minute = LimitField()

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        return check_future(moment, "expires_at")


class RotationSerializer(StrictSerializer):
    grace_seconds = WholeField(least=0, most=int(GRACE_MAX.total_seconds()), default=int(GRACE.total_seconds()))


def key_fields(data: Any, *, partial: bool = False) -> dict[str, Any]:
    """Arguments of services.create_key or change_key (`partial`), and `budgets` when they are given.

    Raises:
        ValidationError: naming the first parameter at fault.
    """
    fields = _checked(KeySerializer(data=data, partial=partial))
    limits: dict[str, Any] = fields.pop("limits", {})
    return fields | limits


def team_fields(data: Any, *, partial: bool = False) -> dict[str, Any]:
    """`name`, `price_factor`, `weight`, `contact_email` and `budgets` of a team, as far as they are given."""
    return _checked(TeamSerializer(data=data, partial=partial))


def management_key_fields(data: Any) -> dict[str, Any]:
    """Arguments of services.create_management_key."""
    return _checked(ManagementKeySerializer(data=data))


def grace_of(data: Any) -> timedelta:
    return timedelta(seconds=_checked(RotationSerializer(data=data))["grace_seconds"])


def limit_problems(columns: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a key's limits, by column: for forms."""
    return _problems(LimitsSerializer().fields.values(), columns)


def team_problems(columns: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a team, by column: for forms, which look at the name themselves."""
    rules = TeamSerializer()
    return _problems([rules.fields[name] for name in ("price_factor", "weight")], columns)


def management_key_problems(columns: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a management key's bounds, by column: for forms, which look at name and end themselves."""
    rules = ManagementKeySerializer()
    return _problems([rules.fields[name] for name in ("scopes", "ip_ranges", "calls_per_minute")], columns)


def budget_problems(columns: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a budget, by column: for forms."""
    if problems := _problems(BudgetSerializer().fields.values(), columns):
        return problems
    try:
        # What a form could not read is missing, and has words of its own there.
        check_raise(**{name: columns.get(name) for name in ("amount", "raised_to", "raised_until")})
    except serializers.ValidationError as error:
        return {name: first_words(words) for name, words in error.detail.items()}  # type: ignore[union-attr]
    return {}


def _problems(rules: Iterable[serializers.Field[Any, Any, Any, Any]], columns: Mapping[str, Any]) -> dict[str, str]:
    problems = {}
    for field in rules:
        value = columns.get(str(field.source))
        try:
            field.run_validation(None if value in ("", []) else value)
        except (serializers.ValidationError, ValidationError) as error:
            words = error.detail if isinstance(error, serializers.ValidationError) else error.messages
            problems[str(field.source)] = first_words(words)
    return problems


def first_words(detail: Any) -> str:
    """The first message in a tree of them."""
    while not isinstance(detail, str):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail))
    return detail


def _checked(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
