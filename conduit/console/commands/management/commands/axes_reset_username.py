from axes.management.commands import axes_reset_username

from keys.management.audited import AuditedCommand


class Command(AuditedCommand, axes_reset_username.Command):
    """Each lock that it ends has its row."""
