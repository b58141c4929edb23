from django.core.management.commands import flush

from conduit.console.commands.recorded import RecordedCommand


class Command(RecordedCommand, flush.Command):
    pass
