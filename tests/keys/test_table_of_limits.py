"""One table says what a key may be limited to; nobody keeps a list of his own."""

from pathlib import Path

from conduit.console.keys.admin import VirtualKeyAdmin
from conduit.console.keys.forms import KeyForm
from conduit.console.site import ConsoleSite  # noqa: F401 - the site must be there before its pages are asked for
from keys.limits.table import LIMITS
from keys.models import VirtualKey
from keys.openapi.shapes import SHOWN_LIMITS
from keys.presentation import show_limits
from keys.requests import LimitsSerializer

PARAMETERS = [limit.parameter for limit in LIMITS]
# What a key is, and what became of it.
NO_LIMITS = {
    *("id", "name", "team", "contact_email", "enabled", "expires_at", "deleted_at", "created_at"),
    *("budgeted", "last_used_at", "last_used_from"),
}


def test_each_column_of_a_key_is_a_limit_of_the_table_or_is_none():
    columns = {field.name for field in VirtualKey._meta.concrete_fields}
    assert {limit.column for limit in LIMITS} == columns - NO_LIMITS


def test_the_api_the_form_and_the_document_have_the_limits_of_the_table_and_no_others():
    assert list(LimitsSerializer().fields) == PARAMETERS
    assert list(show_limits(VirtualKey())) == PARAMETERS
    assert list(SHOWN_LIMITS) == PARAMETERS
    assert {limit.column for limit in LIMITS} <= set(KeyForm.base_fields)
    shown = {name for _, group in VirtualKeyAdmin.fieldsets for name in group["fields"]}
    assert {limit.column for limit in LIMITS} <= shown


def test_each_limit_is_told_where_keys_are_explained():
    said = (Path(__file__).resolve().parents[2] / "docs/keys-and-money.md").read_text()
    assert [limit.option for limit in LIMITS if f"`{limit.option}`" not in said or f"`{limit.parameter}`" not in said] == []
