from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "conduit.api"
    label = "api"

    def ready(self) -> None:
        from conduit import clock, conditions, metrics
        from conduit.api.metrics import METRICS

        conditions.register(clock.APART)
        metrics.register(*METRICS)
