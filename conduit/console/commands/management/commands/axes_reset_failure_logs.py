from axes.management.commands import axes_reset_failure_logs

from conduit.console.commands.recorded import RecordedCommand


class Command(RecordedCommand, axes_reset_failure_logs.Command):
    pass
