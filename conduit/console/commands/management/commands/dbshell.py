from django.core.management.commands import dbshell

from conduit.console.commands.recorded import OpeningCommand


class Command(OpeningCommand, dbshell.Command):
    pass
