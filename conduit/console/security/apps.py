from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SecurityConfig(AppConfig):
    name = "conduit.console.security"
    label = "security"

    def ready(self) -> None:
        import conduit.console.security.sessions  # noqa: F401 - it listens to log-ins
        from conduit import conditions
        from conduit.console.security.conditions import LOG_INS_LOCKED
        from conduit.console.security.roles import apply_roles

        conditions.register(LOG_INS_LOCKED)
        # Told of once in each migration, after all other apps: this one is the last, so that by then every right is there.
        post_migrate.connect(apply_roles, sender=self, dispatch_uid="conduit.console.security.roles")
