from django.core.management.commands import shell

from conduit.console.commands.recorded import OpeningCommand


class Command(OpeningCommand, shell.Command):
    pass
