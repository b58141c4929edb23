"""What Prometheus is told at `/metrics`. A room defines what it counts in its `metrics.py`, and registers it when its app is ready:

    ENDED = Count("conduit_tasks_ended_total", "Tasks that ended, by how and why.", ("model", "status", "cause"))
    DONE = Times("conduit_task_done_seconds", "From a task's creation until it was completed.", ("model",))
    QUEUED = Gauge("conduit_tasks_queued", "Tasks that are queued.")

    metrics.register(ENDED, DONE, reading=Reading("tasks", (QUEUED,), read_tasks))

Figures come about in one of three ways:

- what is counted of rows, by the process that counts them once (`Totals`, in the transaction that moves the cursor of a roll-up);
- what a process notes of what it does (`note`, `note_seconds`: a tuple on a deque, no lock and no query), and hands in every two seconds.
  One that is killed loses what it noted since;
- what stands in the database at this moment (`Reading`), asked for once for all web processes while anybody scrapes.

All of it lies in the database, so that any web process tells the same, and sums go on where they were whatever is restarted or killed.
Labels have few values: models, accounts, lanes, causes, routes. Never a key, a task, an address, a secret or a prompt.
"""

from conduit.metrics.registry import Count, Gauge, Metric, Reading, Sample, Times, register

__all__ = ["Count", "Gauge", "Metric", "Reading", "Sample", "Times", "note", "note_seconds", "register"]


def note(metric: Count, *labels: str, amount: float = 1) -> None:
    """Count so many more, as seen by this process. Any thread may, and the event loop: it waits for nobody."""
    from conduit.metrics import noting  # models cannot be imported while apps are being set up

    noting.note(metric, labels, amount)


def note_seconds(metric: Times, *labels: str, seconds: float) -> None:
    """The same of something that took so long."""
    from conduit.metrics import noting

    noting.note(metric, labels, seconds)
