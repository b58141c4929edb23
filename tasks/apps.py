from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from conduit import conditions
        from keys import proof, work
        from tasks.conditions import CONDITIONS
        from tasks.proof import differences
        from tasks.work import WORK

        work.register(WORK)
        proof.register(differences)
        conditions.register(*CONDITIONS)
