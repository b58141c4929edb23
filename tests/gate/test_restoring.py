"""What tests that commit leave behind is put back, whatever it is."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from keys.models import AuditEntry, VirtualKey
from keys.services import create_key
from tests.support.restoring import Snapshot

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="Django's own way is taken on SQLite"),
]


def everything():
    return list(Permission.objects.order_by("id").values()), list(ContentType.objects.order_by("id").values())


@pytest.mark.parametrize("many", [1, 5000], ids=["a few rows", "so many that their traces would count"])
def test_rows_that_were_added_changed_and_deleted_are_as_before(many):
    snapshot, before = Snapshot(), everything()
    create_key(name="somebody")
    AuditEntry.objects.create(who="ann", action="key.created", target="key:1", target_kind="key", changes={})
    Permission.objects.filter(codename="add_user").delete()
    Permission.objects.filter(codename="delete_user").update(name="Can do anything")
    kind = ContentType.objects.get(app_label="auth", model="user")
    Permission.objects.bulk_create(Permission(content_type=kind, codename=f"do_{number}", name="Can do") for number in range(many))

    snapshot.restore()

    assert everything() == before
    assert not VirtualKey.objects.exists()
    assert not AuditEntry.objects.exists()
