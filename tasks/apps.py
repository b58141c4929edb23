from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from conduit import conditions
        from conduit.rollups import registry
        from keys import proof, work
        from notifications import sources
        from tasks.conditions import CONDITIONS
        from tasks.proof import differences
        from tasks.rollups import ROLL_UP
        from tasks.telling import PROGRESS, SOURCE
        from tasks.work import WORK

        work.register(WORK)
        proof.register(differences)
        conditions.register(*CONDITIONS)
        registry.register(ROLL_UP)
        sources.register(SOURCE)
        sources.register(PROGRESS)
