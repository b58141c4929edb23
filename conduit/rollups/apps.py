from django.apps import AppConfig


class RollupsConfig(AppConfig):
    name = "conduit.rollups"
    label = "rollups"
