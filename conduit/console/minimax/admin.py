"""Pages of the accounts at MiniMax: the list with how each is, its form, its test, and switching it."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from conduit.api.errors import ApiError
from conduit.console.minimax.forms import FIELDS, AccountForm
from conduit.console.model_pages import TellsRefusals, who
from videos.account_models import AccountKind, AccountState, ProviderAccount
from videos.accounts import rules
from videos.accounts.figures import Figures, figures_of
from videos.models import ClipState

OPERATE = "videos.operate_provideraccount"
_SWITCHES = {AccountState.ON: "Switch on", AccountState.DRAINING: "Drain…", AccountState.OFF: "Switch off…"}


@admin.register(ProviderAccount)
class ProviderAccountAdmin(TellsRefusals):
    """A person who may operate accounts tests and switches them; the rest is for people who may change them."""

    form = AccountForm
    list_display = [
        "name",
        "kind_in_words",
        "state_in_words",
        "health",
        "in_flight",
        "creates_a_minute",
        "spent",
        "models_in_words",
        "weight",
        "what_to_do",
    ]
    list_display_links = ["name"]
    actions = None
    change_form_template = "admin/videos/provideraccount/change_form.html"

    def get_urls(self) -> list[Any]:
        own = [
            path("<int:object_id>/test/", self.admin_site.admin_view(self.test_view), name="videos_provideraccount_test"),
            path("<int:object_id>/switch/<str:state>/", self.admin_site.admin_view(self.switch_view), name="videos_provideraccount_switch"),
        ]
        return [*own, *super().get_urls()]

    def has_view_permission(self, request: HttpRequest, obj: ProviderAccount | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(OPERATE)

    def has_delete_permission(self, request: HttpRequest, obj: ProviderAccount | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.from_environment)

    # ---- The list ----

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The rows of the page with their figures, and with what the reader may do."""
        page = super().get_changelist_instance(request)
        figures, may = figures_of(page.result_list), request.user.has_perm(OPERATE)
        for account in page.result_list:
            vars(account).update(figures=figures[account.pk], may_operate=may)
        return page

    @admin.display(description="kind", ordering="kind")
    def kind_in_words(self, account: ProviderAccount) -> str:
        return AccountKind(account.kind).label.partition(" (")[0]

    @admin.display(description="state", ordering="state")
    def state_in_words(self, account: ProviderAccount) -> str:
        return AccountState(account.state).label.partition(":")[0].capitalize()

    @admin.display(description="how it is")
    def health(self, account: ProviderAccount) -> str | SafeString:
        if not account.key:
            return "Has no key that opens"
        if not account.cause:
            return rules.in_words(account)
        return format_html("▲ {} since {}: {}", rules.in_words(account), moment(account.since), account.answer)

    @admin.display(description="jobs in flight")
    def in_flight(self, account: ProviderAccount) -> SafeString:
        address = f"{reverse('admin:videos_clip_changelist')}?account={account.pk}&state__exact={ClipState.SUBMITTED}"
        of = f" of {account.jobs_in_flight}" if account.jobs_in_flight else ""
        return format_html('<a href="{}">{}</a>{}', address, _figures(account).in_flight, of)

    @admin.display(description="creates a minute")
    def creates_a_minute(self, account: ProviderAccount) -> str:
        pace = _figures(account).pace
        return "as they come" if pace is None else f"{pace:.3g}"

    @admin.display(description="this month")
    def spent(self, account: ProviderAccount) -> str:
        of = f" of {account.monthly_limit:,.2f}" if account.monthly_limit is not None else ""
        return f"{_figures(account).spent:,.2f}{of} USD"

    @admin.display(description="models")
    def models_in_words(self, account: ProviderAccount) -> str:
        return ", ".join(account.model_names) or "all of its kind"

    @admin.display(description="")
    def what_to_do(self, account: ProviderAccount) -> str | SafeString:
        """A button that tests it, and ways to pages that switch it. The list is a form: its buttons need none of their own."""
        if not vars(account).get("may_operate"):
            return ""
        test = reverse("admin:videos_provideraccount_test", args=[account.pk])
        switches = [(_switch_address(account, state), words) for state, words in _SWITCHES.items() if state != account.state]
        links = format_html_join(" ", '<a href="{}">{}</a>', switches)
        button = '<button type="submit" class="button" formaction="{}" aria-label="Test {}">Test</button> {}'
        return format_html(button, test, account.name, links)

    # ---- Testing and switching ----

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Calls MiniMax, so it is no page of Django's, which would hold a transaction meanwhile."""
        account = self._account(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        tested = rules.test(account, who=who(request))
        say = messages.success if tested.fine else messages.error
        say(request, f"{account}: {tested.words} ({tested.milliseconds} ms)")
        return self._to_list()

    def switch_view(self, request: HttpRequest, object_id: int, state: str) -> HttpResponseBase:
        """Says first what will happen."""
        account = self._account(request, object_id)
        if state not in AccountState.values:
            raise Http404
        if request.method == "POST":
            try:
                rules.switch(account, state, who=who(request))
            except ApiError as error:
                messages.error(request, error.message)
            else:
                messages.success(request, f"{account}: {AccountState(state).label}.")
            return self._to_list()
        context = {
            **self.admin_site.each_context(request),
            "title": f"{_SWITCHES[AccountState(state)].rstrip('…')}: {account}?",
            "opts": self.opts,
            "account": account,
            "to": state,
            "jobs": figures_of([account])[account.pk].in_flight,
            "others": ProviderAccount.objects.filter(kind=account.kind, state=AccountState.ON).exclude(pk=account.pk).count(),
            "back": self._to_list().url,
        }
        return TemplateResponse(request, "admin/videos/provideraccount/switch.html", context)

    def _account(self, request: HttpRequest, object_id: int) -> ProviderAccount:
        if not request.user.has_perm(OPERATE):
            raise PermissionDenied
        account = ProviderAccount.objects.filter(pk=object_id).first()
        if account is None:
            raise Http404
        return account

    def _to_list(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:videos_provideraccount_changelist"))

    # ---- The form ----

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        account = self.get_object(request, object_id)
        mine: dict[str, Any] = {}
        if account and request.user.has_perm(OPERATE):
            switches = [(_switch_address(account, state), words) for state, words in _SWITCHES.items() if state != account.state]
            mine = {"switches": switches, "test": reverse("admin:videos_provideraccount_test", args=[account.pk])}
        return super().change_view(request, object_id, form_url, mine | (extra_context or {}))

    def get_fields(self, request: HttpRequest, obj: ProviderAccount | None = None) -> Any:
        """The environment's has its key and address there; a person who may not change one sees no place for a key."""
        hidden = {"key", "base_url"} if obj and obj.from_environment else set()
        if not (self.has_change_permission(request, obj) if obj else self.has_add_permission(request)):
            hidden.add("key")
        return [name for name in FIELDS if name not in hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: ProviderAccount | None = None) -> Any:
        return ["kind"] if obj else []

    def save_model(self, request: HttpRequest, obj: ProviderAccount, form: Any, change: bool) -> None:
        if change:
            fields = {name: form.cleaned_data[name] for name in form.changed_data}
            rules.change(ProviderAccount.objects.get(pk=obj.pk), who=who(request), **fields)
        else:
            vars(obj).update(vars(rules.create(who=who(request), **{name: form.cleaned_data[name] for name in FIELDS})))

    def delete_model(self, request: HttpRequest, obj: ProviderAccount) -> None:
        rules.delete(obj, who=who(request))


def moment(value: datetime | None) -> SafeString | str:
    """To the second, with its zone."""
    if value is None:
        return "an unknown time"
    value = value.astimezone(UTC)
    words = f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time class="nowrap" datetime="{}">{}</time>', value.isoformat(timespec="seconds"), words)


def _figures(account: ProviderAccount) -> Figures:
    found: Figures = vars(account)["figures"]
    return found


def _switch_address(account: ProviderAccount, state: AccountState) -> str:
    return reverse("admin:videos_provideraccount_switch", args=[account.pk, state])
