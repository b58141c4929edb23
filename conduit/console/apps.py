from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    default_site = "conduit.console.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        import conduit.checks  # noqa: F401 - registers them for `manage.py check`
