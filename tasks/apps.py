from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from conduit import conditions, metrics
        from conduit.rollups import registry
        from keys import work
        from tasks.conditions import CONDITIONS
        from tasks.continuous_reconciliation import LEDGER
        from tasks.continuous_reconciliation import STANDING as LEDGER_STANDING
        from tasks.metrics import COUNTED, STANDING
        from tasks.notifications import sources
        from tasks.realtime import metrics as streams
        from tasks.rollups import ROLL_UP
        from tasks.telling import PROGRESS, SOURCE
        from tasks.work import WORK

        work.register(WORK)
        conditions.register(*CONDITIONS, LEDGER)
        registry.register(ROLL_UP)
        sources.register(SOURCE)
        sources.register(PROGRESS)
        metrics.register(*COUNTED, reading=STANDING)
        metrics.register(reading=LEDGER_STANDING)
        metrics.register(*streams.COUNTED, reading=streams.STANDING)
