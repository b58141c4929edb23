from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from keys import proof, work
        from tasks.conditions import register_conditions
        from tasks.proof import differences
        from tasks.work import WORK

        work.register(WORK)
        proof.register(differences)
        register_conditions()
