from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Webhooks"

    def ready(self) -> None:
        from conduit import conditions, doctor, metrics
        from notifications import disabling, key_sources, sources
        from notifications.conditions import CONDITIONS
        from notifications.doctor import mails_are_taken
        from notifications.metrics import COUNTED, STANDING

        for source in (disabling.SOURCE, key_sources.BUDGETS, key_sources.KEYS):
            sources.register(source)
        conditions.register(*CONDITIONS)
        doctor.register(doctor.Question("mails", mails_are_taken))
        metrics.register(*COUNTED, reading=STANDING)
