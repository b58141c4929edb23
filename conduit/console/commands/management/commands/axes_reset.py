from axes.management.commands import axes_reset

from keys.management.audited import AuditedCommand


class Command(AuditedCommand, axes_reset.Command):
    """Each lock that it ends has its row."""
