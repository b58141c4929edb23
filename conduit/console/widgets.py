"""Fields of Django's forms as the console's pages have them."""

from typing import Any

from django.contrib.admin.widgets import AdminSplitDateTime


class LabelledMoment(AdminSplitDateTime):
    """A day and a time, each with a label of its own: Django writes the words beside them, which tells screen readers nothing."""

    def __init__(self, attrs: Any = None) -> None:
        super().__init__(attrs)
        day, time = self.widgets
        day.attrs["aria-label"], time.attrs["aria-label"] = "Date", "Time (UTC)"
