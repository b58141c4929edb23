from django.apps import AppConfig


class VideosConfig(AppConfig):
    name = "videos"

    def ready(self) -> None:
        from tasks import kinds
        from videos.presentation import VIDEO_GENERATION

        kinds.register(VIDEO_GENERATION)
