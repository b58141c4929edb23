"""What the console keeps for the people who use it."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q, UniqueConstraint

from conduit import clock
from tasks.search_language import TEXT_MAX

NAME_CHARACTERS = 60


class SavedSearchQuerySet(models.QuerySet["SavedSearch"]):
    def shown_to(self, account_id: int) -> Self:
        """An account's own and the shared ones, by name."""
        return self.filter(Q(owner=account_id) | Q(shared=True)).order_by("name", "id")


class SavedSearch(models.Model):
    """A search of tasks under a name: its owner's, or everybody's."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=NAME_CHARACTERS)
    text = models.CharField(max_length=TEXT_MAX)
    shared = models.BooleanField(default=False, help_text="Everybody who may see tasks sees it.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(SavedSearchQuerySet)()

    class Meta:
        verbose_name = "saved search"
        verbose_name_plural = "saved searches"
        default_permissions = ()
        permissions = [("share_search", "Can save searches of tasks for everybody")]
        constraints = [
            UniqueConstraint(fields=["owner", "name"], name="saved_search_once_per_name_and_owner"),
            UniqueConstraint(fields=["name"], condition=Q(shared=True), name="shared_search_once_per_name"),
        ]

    def __str__(self) -> str:
        return self.name
