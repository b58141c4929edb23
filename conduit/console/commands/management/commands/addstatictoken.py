from django_otp.plugins.otp_static.management.commands import addstatictoken

from conduit.console.commands.recorded import RecordedCommand


class Command(RecordedCommand, addstatictoken.Command):
    """A code that stands in for a second factor, once."""

    told = ("username",)
