from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "Keys and costs"

    def ready(self) -> None:
        from conduit import conditions, doctor, metrics
        from conduit.rollups import registry
        from keys.conditions import BUDGETS, EXPIRING
        from keys.doctor import ledger_adds_up
        from keys.metrics import MONEY, STANDING
        from keys.rollups import ROLL_UP

        conditions.register(BUDGETS, EXPIRING)
        doctor.register(doctor.Question("ledger", ledger_adds_up, takes_long=True))
        registry.register(ROLL_UP)
        metrics.register(MONEY, reading=STANDING)
