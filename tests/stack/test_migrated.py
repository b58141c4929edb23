"""Whether a stack has to migrate before it starts, as it finds out itself."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from conduit.console.security.models import Role
from conduit.stack.command import _is_migrated

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.sqlite]


def test_a_database_with_a_migration_to_come_is_migrated_first():
    recorder = MigrationRecorder(connection)
    app, name = sorted(recorder.applied_migrations())[-1]
    recorder.record_unapplied(app, name)
    try:
        assert not _is_migrated()
    finally:
        recorder.record_applied(app, name)
    assert _is_migrated()


def test_rights_and_roles_are_made_where_there_is_nothing_to_migrate():
    """A migrate that was killed may not have come to them."""
    Role.objects.all().delete()
    Group.objects.all().delete()
    Permission.objects.filter(codename="cancel_task").delete()

    assert _is_migrated()

    assert Group.objects.filter(permissions__codename="cancel_task").exists()
