from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "Keys and costs"

    def ready(self) -> None:
        from conduit import conditions, doctor
        from conduit.rollups import registry
        from keys.conditions import BUDGETS
        from keys.doctor import ledger_adds_up
        from keys.rollups import ROLL_UP

        conditions.register(BUDGETS)
        doctor.register(doctor.Question("ledger", ledger_adds_up))
        registry.register(ROLL_UP)
