from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "Keys and costs"

    def ready(self) -> None:
        from conduit.rollups import registry
        from keys.rollups import ROLL_UP

        registry.register(ROLL_UP)
