from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "Keys and costs"

    def ready(self) -> None:
        from conduit import conditions
        from conduit.rollups import registry
        from keys.conditions import BUDGETS
        from keys.rollups import ROLL_UP

        conditions.register(BUDGETS)
        registry.register(ROLL_UP)
