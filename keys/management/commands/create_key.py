from typing import Any

from django.core.management.base import CommandError, CommandParser
from rest_framework.exceptions import ValidationError

from conduit.api.errors import InvalidRequest
from conduit.api.fields import WholeField
from keys import audit, budget_owners
from keys.limits.fields import TextsField
from keys.limits.table import LIMITS
from keys.management.audited import AuditedCommand
from keys.management.options import in_options, texts
from keys.management.printing import print_secret
from keys.models import Period, Team
from keys.requests import first_words, key_fields, team_fields
from keys.services import create_key

# By the parameters of the management API, whose rules are the command's.
OPTIONS = {limit.parameter: limit.option for limit in LIMITS} | {
    "amount": "--budget",
    "time_zone": "--time-zone",
    "expires_at": "--expires",
    "name": "NAME",
}


class Command(AuditedCommand):
    help = "Create a virtual key and print its secret, alone, on standard output. It cannot be shown again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="who or what the key is for")
        parser.add_argument("--budget", metavar="USD", help="what it may spend in each period, such as 2.00")
        parser.add_argument("--period", choices=Period.values, help="of the budget (total, which never resets, unless given)")
        parser.add_argument("--time-zone", metavar="ZONE", help="where the budget's days begin (UTC unless given)")
        parser.add_argument("--team", metavar="NAME", help="the team whose budgets bind it too; a new one when there is none of that name")
        parser.add_argument("--expires", metavar="WHEN", dest="expires_at", help="such as 2027-01-31 or 2027-01-31T12:00:00Z")
        for limit in LIMITS:
            takes = int if isinstance(limit.field(), WholeField) else str
            parser.add_argument(limit.option, dest=limit.parameter, metavar=limit.value, help=limit.help, type=takes)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            print_secret(self, lambda: self._create(options))
        except ValidationError as error:
            raise CommandError(in_options(first_words(error.detail), OPTIONS)) from error

    def _create(self, options: dict[str, Any]) -> str:
        fields = key_fields(_wanted(options))
        if options["team"] is not None:
            fields["team"] = self._team(options["team"])
        return create_key(**fields, who=audit.WHOEVER)[1]

    def _team(self, name: str) -> Team:
        name = team_fields({"name": name.strip()})["name"]
        if team := Team.objects.filter(name=name).first():
            return team
        try:
            team = budget_owners.create_team(name=name, who=audit.WHOEVER)
        except InvalidRequest:  # somebody was quicker to make it
            return Team.objects.get(name=name)
        self.stderr.write(f"Team {name!r} is new: it has no budget yet.")
        return team


def _wanted(options: dict[str, Any]) -> dict[str, Any]:
    """The body that the management API would be sent."""
    given = [limit for limit in LIMITS if options[limit.parameter] is not None]
    limits = {limit.parameter: options[limit.parameter] for limit in given}
    limits |= {limit.parameter: texts(options[limit.parameter]) for limit in given if isinstance(limit.field(), TextsField)}
    return {"name": options["name"], "expires_at": options["expires_at"], "limits": limits, "budgets": _budgets(options)}


def _budgets(options: dict[str, Any]) -> list[dict[str, Any]]:
    if options["budget"] is None:
        if options["period"] or options["time_zone"]:
            raise CommandError("--period and --time-zone say more about a budget: add --budget.")
        return []
    return [{"amount": options["budget"], "period": options["period"] or Period.TOTAL, "time_zone": options["time_zone"] or "UTC"}]
