from django.contrib.contenttypes.management.commands import remove_stale_contenttypes

from conduit.console.commands.recorded import RecordedCommand


class Command(RecordedCommand, remove_stale_contenttypes.Command):
    """Rights go with the models that they were for."""

    told = ("include_stale_apps",)
