from django.apps import AppConfig


class MetricsConfig(AppConfig):
    name = "conduit.metrics"
    label = "metrics"

    def ready(self) -> None:
        from conduit.metrics import exposition, loop_lag, own, registry

        registry.register(*exposition.LIVE, *own.METRICS, loop_lag.LAG)
