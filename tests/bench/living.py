"""Tasks that are created, begun and completed at so many events a second: `python -m tests.bench.living RATE NUMBER`, until it is killed.

Each NUMBER has keys of its own, so that several processes do not wait for each other.
"""

import sys
import time
from itertools import cycle, islice

import django


def main(rate: float, number: int) -> None:
    django.setup()
    from django.db import transaction

    from keys.models import VirtualKey
    from tasks import lifecycle
    from tasks.models import Status
    from videos.requests import GenerationRequest
    from videos.services import start_generation

    keys = cycle(VirtualKey.objects.order_by("pk")[number * 20 : number * 20 + 20])
    wanted = GenerationRequest.parse({"model": "minimax-video", "prompt": "a lighthouse", "duration": 6, "resolution": "1280x720"})
    print("begun", flush=True)
    begun = time.monotonic()
    events = 0

    def in_time() -> None:
        nonlocal events
        events += 1
        if (ahead := begun + events / rate - time.monotonic()) > 0:
            time.sleep(ahead)

    while True:
        living = [start_generation(key=key, wanted=wanted).pk for key in islice(keys, 10) if in_time() is None]
        for status, fields in ((Status.PROCESSING, {"stage": "generating"}), (Status.COMPLETED, {"stage": "completed", "progress": 100})):
            for task_id in living:
                in_time()
                with transaction.atomic():
                    lifecycle.move(task_id, status, **fields)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
