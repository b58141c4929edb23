from django.apps import AppConfig


class StackConfig(AppConfig):
    name = "conduit.stack"
    label = "stack"
