"""What can be wrong between us and MiniMax, as the tasks themselves tell it: by their stages and by what their steps were refused for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Q

from conduit import clock
from conduit.conditions import Condition, Severity
from conduit.conditions.registry import Findings
from conduit.conditions.sealed import sealed_before
from tasks.models import Task, TaskQuerySet
from videos.account_models import AccountKind, AccountState, ProviderAccount
from videos.accounts import spending
from videos.accounts.breakers import FAILURES_MAX
from videos.accounts.plans import NOT_IN_PLAN
from videos.exchange_models import Exchange
from videos.minimax.errors import Blame
from videos.models import VideoModel
from videos.queue_models import IN_LINE
from videos.stages import Stage

# A step that failed so many times in a row is no single bad answer any more.
FAILURES = 3
# Rates are met in passing all the time; what they hold for longer than this (seconds) is held.
HELD_SECONDS = 30

_FOUND_BY_STAGE = (
    "MiniMax refused calls with the accounts that are named, which are set aside; tasks that find no other account look again until "
    "OPERATOR_SECONDS_MAX is over."
)
_LIST = "tasks/?q=stage:{}"


def _waiting(tasks: TaskQuerySet) -> Findings:
    waiting = tasks.active()
    count = waiting.count()
    if not count:
        return {}
    return {"": f"{count} task{'s' if count > 1 else ''} wait{'' if count > 1 else 's'}.{_answered(waiting)}"}


def _answered(tasks: TaskQuerySet) -> str:
    """What MiniMax said to one of them last, with its code."""
    task_id = tasks.order_by("-pk").values_list("pk", flat=True).first()
    said = Exchange.objects.errors().filter(video=task_id).first()
    if said is None:
        return ""
    if said.http is None:
        return f" The last call had no answer ({said.message})."
    words = f" ({said.message})" if said.message else ""
    return f" MiniMax's answer was {f'code {said.code}' if said.code else f'HTTP {said.http}'}{words}."


def _set_aside(cause: Blame) -> Findings:
    """The accounts that are set aside for that, each with what it was answered last."""
    rows = ProviderAccount.objects.filter(cause=cause).exclude(state=AccountState.OFF)
    return {account.name: f"Account set aside: {account.answer}" for account in rows}


def _keys() -> Findings:
    lost = ProviderAccount.objects.filter(from_environment=False).exclude(Q(state=AccountState.OFF) | Q(sealed_secret=""))
    sealed = {account.name: "Its key was sealed with another SECRET_KEY: set it anew." for account in lost if not account.key}
    return {**_waiting(Task.objects.filter(stage=Stage.WAITING_FOR_PROVIDER_KEY)), **_set_aside(Blame.ACCOUNT_KEY), **sealed}


def _plans() -> Findings:
    """The models that accounts' plans do not have, by account."""
    rows = ProviderAccount.objects.exclude(state=AccountState.OFF)
    return {account.name: " ".join(_refused(account)) for account in rows if account.refused_models}


def _refused(account: ProviderAccount) -> Iterator[str]:
    for upstream, refusal in sorted(account.refused_models.items()):
        yield f"{upstream} since {datetime.fromisoformat(refusal['since']):%Y-%m-%d %H:%M} UTC: {refusal['said'].rstrip('.')}."


def _sealed_before() -> Findings:
    rows = ProviderAccount.objects.exclude(sealed_secret="")
    return {account.name: "Its key is sealed with a former SECRET_KEY." for account in rows if account.key and not account.is_sealed_anew}


def _balances() -> Findings:
    limited = ProviderAccount.objects.filter(state=AccountState.ON, monthly_limit__isnull=False)
    spent = spending.spent([account.pk for account in limited], clock.now()) if limited else {}
    full = {
        account.name: "Its monthly limit is used up."
        for account in limited
        if account.monthly_limit is not None and spent.get(account.pk, Decimal(0)) >= account.monthly_limit
    }
    waiting = _waiting(Task.objects.filter(stage=Stage.WAITING_FOR_PROVIDER_BALANCE))
    return {**waiting, **full, **_set_aside(Blame.ACCOUNT_BALANCE)}


def _reach() -> Findings:
    refused = Q(last_error_code__in=("provider_error", "provider_timeout"), attempts__gte=FAILURES)
    return {**_waiting(Task.objects.filter(refused)), **_set_aside(Blame.PROVIDER)}


def _without_account() -> Findings:
    """Models that are offered and that no account may make."""
    accounts = [account for account in ProviderAccount.objects.filter(state=AccountState.ON) if account.key]
    return {
        model.name: f"No account of {AccountKind(f'minimax_{model.api}').label} that is on may make it."
        for model in VideoModel.objects.filter(enabled=True)
        if not any(account.api == model.api and account.may_make(model.names) for account in accounts)
    }


def _held_by_rate() -> Findings:
    """By the model that was asked for: each has a rate of its own."""
    long_ago = clock.now() - timedelta(seconds=HELD_SECONDS)
    refused = Q(stage=Stage.WAITING_FOR_RATE_LIMIT, stage_since__lt=long_ago) | Q(last_error_code="rate_limit", attempts__gte=FAILURES)
    in_line = Q(queued_create__joined_at__lt=long_ago, waits_for__in=IN_LINE)
    held = Task.objects.active().filter(refused | in_line).order_by()
    counts = held.values_list("model").annotate(Count("pk"))
    return {model: f"{count} task{'s' if count > 1 else ''} held." for model, count in counts}


CONDITIONS = (
    Condition(
        name="minimax_accounts",
        severity=Severity.DEGRADED,
        says="A model is offered that no account at MiniMax may make: its tasks wait.",
        found_by="No account of the model's kind that is on, and has a key, lists it.",
        what_to_do="Under Models, Accounts: add an account, switch one on, or let one make the model; or switch the model off.",
        look=_without_account,
        leads_to="videos/provideraccount/",
    ),
    Condition(
        name="minimax_key",
        severity=Severity.DEGRADED,
        says="MiniMax does not accept an account of ours.",
        found_by=_FOUND_BY_STAGE,
        what_to_do="Set a MiniMax key that is accepted, and the base URL of its region: under Models, Accounts, or in MINIMAX_API_KEY and "
        "MINIMAX_BASE_URL for the environment's (and OUTBOUND_ALLOWED where that is not public). Then test the account.",
        look=_keys,
        leads_to=_LIST.format(Stage.WAITING_FOR_PROVIDER_KEY),
    ),
    Condition(
        name="minimax_plan",
        severity=Severity.NOTICE,
        says="The plan of an account at MiniMax does not have a model that is ordered with it.",
        found_by=f"MiniMax refused an order with code {NOT_IN_PLAN}. The model is set aside at that account alone: others take over, and "
        "one waiting task tries it again from time to time.",
        what_to_do="Have MiniMax change the plan, and test the account under Models, Accounts; or untick the model there.",
        look=_plans,
        leads_to="videos/provideraccount/",
    ),
    sealed_before(
        name="minimax_sealed",
        what="Keys of MiniMax accounts",
        command="reseal_account_keys",
        look=_sealed_before,
        leads_to="videos/provideraccount/",
    ),
    Condition(
        name="minimax_balance",
        severity=Severity.DEGRADED,
        says="The balance or quota of an account at MiniMax is used up.",
        found_by=_FOUND_BY_STAGE,
        what_to_do="Top up the balance or quota of the account, or raise its monthly limit under Models, Accounts. A waiting task tries "
        "it within RETRY_SECONDS_MAX.",
        look=_balances,
        leads_to=_LIST.format(Stage.WAITING_FOR_PROVIDER_BALANCE),
    ),
    Condition(
        name="minimax_reach",
        severity=Severity.DEGRADED,
        says="MiniMax cannot be reached, or answers with errors.",
        found_by=f"Steps of these tasks failed {FAILURES} times in a row or more, or {FAILURES_MAX} calls in a row with an account.",
        what_to_do="See MiniMax's status page, and that workers reach MINIMAX_BASE_URL; their logs hold its codes and trace ids.",
        look=_reach,
        leads_to="tasks/?q=refused:provider_error,provider_timeout",
    ),
    Condition(
        name="minimax_rate",
        severity=Severity.NOTICE,
        says="MiniMax's rate limit holds tasks up.",
        found_by=f"They have stood in line for a create for more than {HELD_SECONDS} seconds, or MiniMax refuses their calls for its rate.",
        what_to_do="Nothing at once: they go on as the rate allows. Ask MiniMax for a higher one if this lasts.",
        look=_held_by_rate,
        leads_to="tasks/?q=waits:fair_share,rate",
    ),
)
