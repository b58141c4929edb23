from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "tasks.notifications"
    verbose_name = "Webhooks"

    def ready(self) -> None:
        from conduit import conditions, doctor, metrics
        from tasks.notifications import disabling, key_sources, sources
        from tasks.notifications.conditions import CONDITIONS
        from tasks.notifications.doctor import mails_are_taken
        from tasks.notifications.metrics import COUNTED, STANDING

        for source in (disabling.SOURCE, key_sources.BUDGETS, key_sources.KEYS):
            sources.register(source)
        conditions.register(*CONDITIONS)
        doctor.register(doctor.Question("mails", mails_are_taken))
        metrics.register(*COUNTED, reading=STANDING)
