from django.apps import AppConfig


class RollupsConfig(AppConfig):
    name = "conduit.rollups"
    label = "rollups"

    def ready(self) -> None:
        from conduit import conditions
        from conduit.rollups.conditions import BEHIND

        conditions.register(BEHIND)
