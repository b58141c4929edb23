from django.apps import AppConfig


class ConditionsConfig(AppConfig):
    name = "conduit.conditions"
    label = "conditions"

    def ready(self) -> None:
        from conduit.conditions import basic, drains, host, restored
        from conduit.conditions.registry import register

        register(*basic.CONDITIONS, restored.RESTORED, *host.CONDITIONS, drains.DRAINED)
