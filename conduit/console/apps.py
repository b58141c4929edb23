from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Django's admin, with our site as its own."""

    default_site = "conduit.console.site.ConsoleSite"

    def ready(self) -> None:
        from django.contrib.admin.options import FORMFIELD_FOR_DBFIELD_DEFAULTS
        from django.db.models import DateTimeField

        from conduit.console.widgets import LabelledMoment

        FORMFIELD_FOR_DBFIELD_DEFAULTS[DateTimeField]["widget"] = LabelledMoment  # each page takes a copy when it registers
        super().ready()


class CommandsConfig(AppConfig):
    """Commands that stand in for those of Django and of libraries, and so come before their apps."""

    name = "conduit.console.commands"
    label = "console_commands"


class ConsoleConfig(AppConfig):
    """What the console has beside Django's pages: own pages, static files, template tags, tables."""

    name = "conduit.console"
    label = "console"

    def ready(self) -> None:
        import conduit.checks
        import conduit.console.audit.logins
        import conduit.console.audit.page
        import conduit.console.catalogue
        import conduit.console.doctor_page
        import conduit.console.keys.client_tokens
        import conduit.console.keys.lists
        import conduit.console.keys.switching
        import conduit.console.live.state
        import conduit.console.minimax.calls
        import conduit.console.money.bill
        import conduit.console.money.lost
        import conduit.console.money.pages
        import conduit.console.processes_page
        import conduit.console.security.pages
        import conduit.console.settings_page
        import conduit.console.streams_page
        import conduit.console.task.actions
        import conduit.console.task.lost_order
        import conduit.console.task.page
        import conduit.console.tasks.list_page
        import conduit.console.tasks.run_pages
        import conduit.console.webhooks.actions  # before those whose address takes any word
        import conduit.console.webhooks.key_secret
        import conduit.console.webhooks.mails
        import conduit.console.webhooks.of_task
        import conduit.console.webhooks.pages
        import conduit.console.users  # isort: skip # noqa: F401 - after Django's own pages for accounts, whose place it takes
