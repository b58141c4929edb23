from django.apps import AppConfig


class DoctorConfig(AppConfig):
    name = "conduit.doctor"
    label = "doctor"

    def ready(self) -> None:
        from conduit.doctor import host, place, servers
        from conduit.doctor.registry import Question, register

        register(
            Question("settings", host.settings_are_safe),
            Question("host", host.has_room),
            Question("clocks", servers.clocks_agree),
            Question("database", servers.database_is_fit),
            Question("redis", servers.redis_is_fit),
            Question("web", servers.web_is_reachable),
            Question("processes", place.processes_beat),
            Question("conditions", place.nothing_holds),
        )
