from django.apps import AppConfig


class PlaygroundConfig(AppConfig):
    """Static files; there are no tables."""

    name = "conduit.console.playground"
    label = "playground"
