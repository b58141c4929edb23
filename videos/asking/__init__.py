"""Asking MiniMax how jobs go, many at once: the one step that is done again and again, mostly to hear the same.

Rows of the lane `asking` that are due are claimed together, under one batch of leases (videos.asking.rows), and asked for by threads
of their account (videos.asking.askers). Jobs that still run as they did are written back together in one statement; of all others
the outcome is written as that of any step, by the engine. A process that dies in between writes nothing: its leases lapse, and
another asks. `worker` has Celery's worker do all of it.
"""
