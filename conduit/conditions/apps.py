from django.apps import AppConfig


class ConditionsConfig(AppConfig):
    name = "conduit.conditions"
    label = "conditions"

    def ready(self) -> None:
        from conduit.conditions.basic import CONDITIONS
        from conduit.conditions.registry import register

        register(*CONDITIONS)
