from django.apps import AppConfig


class ConditionsConfig(AppConfig):
    name = "conduit.conditions"
    label = "conditions"

    def ready(self) -> None:
        from conduit.conditions.basic import register_basic_conditions

        register_basic_conditions()
