from django.core.management.commands import loaddata

from conduit.console.commands.recorded import RecordedCommand


class Command(RecordedCommand, loaddata.Command):
    pass
