from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "conduit.api"
    label = "api"

    def ready(self) -> None:
        from conduit import clock, conditions

        conditions.register(clock.APART)
