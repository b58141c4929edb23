from django.apps import AppConfig


class VideosConfig(AppConfig):
    name = "videos"

    def ready(self) -> None:
        from conduit import checks, conditions, doctor, metrics
        from conduit.rollups import registry
        from keys import known_models
        from tasks import due, kinds
        from tasks.models import Lane
        from tasks.notifications import sources
        from videos import media_shares
        from videos.account_models import AccountState, ProviderAccount
        from videos.accounts.telling import SOURCE
        from videos.callbacks.refusals import CALLBACKS
        from videos.conditions import CONFINEMENT, REFUSALS, WORDS
        from videos.doctor import accounts_answer, callbacks_reach_us, nothing_is_orphaned, prices_cover_costs, storage_works
        from videos.kind import VIDEO_GENERATION
        from videos.lost_orders.reading import LOST_ORDERS
        from videos.margins import LOSSES
        from videos.metrics import COUNTED, STANDING
        from videos.models import Resolution, VideoModel
        from videos.provider_conditions import CONDITIONS
        from videos.rollups import ROLL_UPS
        from videos.storage_check import STORAGE

        kinds.register(VIDEO_GENERATION)
        due.register(Lane.MEDIA, media_shares.choose)
        checks.register_keys(lambda: any(account.key for account in ProviderAccount.objects.exclude(state=AccountState.OFF)))
        conditions.register(CONFINEMENT, REFUSALS, WORDS, STORAGE, *CONDITIONS, CALLBACKS, LOST_ORDERS, LOSSES)
        doctor.register(
            doctor.Question("storage", storage_works),
            doctor.Question("files that no row names", nothing_is_orphaned),
            doctor.Question("MiniMax", accounts_answer),
            doctor.Question("callbacks", callbacks_reach_us),
            doctor.Question("prices", prices_cover_costs),
        )
        registry.register(*ROLL_UPS)
        sources.register(SOURCE)
        metrics.register(*COUNTED, reading=STANDING)
        known_models.register(lambda: [model.names for model in VideoModel.objects.order_by("name")], sizes=Resolution.values)
