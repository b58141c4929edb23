from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    default_site = "conduit.console.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        import conduit.checks
        import conduit.console.users  # noqa: F401 - after Django's own pages for accounts, whose place it takes
