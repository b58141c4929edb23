from typing import Any

from django.core.management.base import CommandError, CommandParser
from rest_framework.exceptions import ValidationError

from conduit.api.errors import InvalidRequest
from keys import audit, owners
from keys.management.audited import AuditedCommand
from keys.management.options import in_options, texts
from keys.management.printing import print_secret
from keys.models import Period, Team
from keys.requests import first_words, key_fields, team_fields
from keys.services import create_key

# Option, parameter of the management API, what its value is called, what it says. The API's rules are the command's.
LIMITS = [
    ("--rpm", "creates_per_minute", "CALLS", "creating calls (create, retry, estimate) per minute"),
    ("--rpd", "creates_per_day", "CALLS", "creating calls per day"),
    ("--reads-per-minute", "reads_per_minute", "CALLS", "all other calls per minute"),
    ("--in-flight", "tasks_in_flight", "TASKS", "tasks queued and processing at once"),
    ("--over-limit", "over_limit", "refuse|queue", "what becomes of tasks beyond those in flight (refuse unless given)"),
    ("--queue-max", "queue_max", "TASKS", "tasks that may wait so"),
    ("--per-hour", "tasks_per_hour", "TASKS", "tasks created within an hour"),
    ("--longest", "longest_seconds", "SECONDS", "duration of one video"),
    ("--largest", "largest_resolution", "SIZE", "largest resolution, such as 1280x720"),
    ("--highest-price", "highest_price", "USD", "price of one task"),
    ("--price-factor", "price_factor", "FACTOR", "what it pays, as a multiple of the list price"),
    ("--weight", "weight", "SHARE", "its share while creates at MiniMax are scarce (1 to 100; 1 unless given)"),
    ("--priority", "priority", "CLASS", "0 to 2: a higher class is served before others, within bounds"),
    ("--results-kept", "results_kept_days", "DAYS", "after which results are deleted (RESULTS_KEPT_DAYS unless given)"),
    ("--prompts-kept", "prompts_kept_days", "DAYS", "after which prompts and metadata are deleted (PROMPTS_KEPT_DAYS unless given)"),
    ("--models", "models", "A,B", "the models that it may use"),
    ("--ips", "ip_ranges", "A,B", "addresses or networks that it may be used from"),
]
LISTS = ("models", "ip_ranges")
WHOLE = ("CALLS", "TASKS", "SECONDS", "SHARE", "CLASS", "DAYS")
OPTIONS = {parameter: option for option, parameter, _, _ in LIMITS} | {
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
        for option, parameter, metavar, words in LIMITS:
            parser.add_argument(option, dest=parameter, metavar=metavar, help=words, type=int if metavar in WHOLE else str)

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
            team = owners.create_team(name=name, who=audit.WHOEVER)
        except InvalidRequest:  # somebody was quicker to make it
            return Team.objects.get(name=name)
        self.stderr.write(f"Team {name!r} is new: it has no budget yet.")
        return team


def _wanted(options: dict[str, Any]) -> dict[str, Any]:
    """The body that the management API would be sent."""
    limits = {parameter: options[parameter] for _, parameter, _, _ in LIMITS if options[parameter] is not None}
    for name in LISTS:
        if name in limits:
            limits[name] = texts(limits[name])
    return {"name": options["name"], "expires_at": options["expires_at"], "limits": limits, "budgets": _budgets(options)}


def _budgets(options: dict[str, Any]) -> list[dict[str, Any]]:
    if options["budget"] is None:
        if options["period"] or options["time_zone"]:
            raise CommandError("--period and --time-zone say more about a budget: add --budget.")
        return []
    return [{"amount": options["budget"], "period": options["period"] or Period.TOTAL, "time_zone": options["time_zone"] or "UTC"}]
