"""What MiniMax says that it bills: bills that administrators upload (videos.provider_bills)."""

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from conduit import clock


class ProviderBill(models.Model):
    """A bill as it was uploaded. Its lines hold until another bill of the same days takes their place."""

    file_name = models.CharField(max_length=200)
    first = models.DateField(help_text="The first day (UTC) that it is about.")
    last = models.DateField(help_text="And the last: a day between them without a line was billed nothing.")
    line_count = models.PositiveIntegerField(help_text="Days and models.")
    amount = models.DecimalField(max_digits=20, decimal_places=6, help_text="USD of all of it.")
    uploaded_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name = "MiniMax bill"
        default_permissions = ("add", "view")
        ordering = ["-id"]
        constraints = [CheckConstraint(condition=Q(first__lte=F("last")), name="provider_bill_has_its_days")]

    def __str__(self) -> str:
        return f"bill of {self.first} to {self.last}"


class ProviderBillLine(models.Model):
    """What MiniMax bills for one of its models on one day."""

    bill = models.ForeignKey(ProviderBill, on_delete=models.CASCADE, related_name="lines")
    day = models.DateField()
    upstream = models.CharField(max_length=100, help_text="The model's name at MiniMax.")
    quantity = models.DecimalField(max_digits=20, decimal_places=6, null=True, help_text="Jobs; empty: the bill does not say.")
    amount = models.DecimalField(max_digits=20, decimal_places=6, help_text="USD.")

    class Meta:
        default_permissions = ()
        constraints = [UniqueConstraint(fields=["day", "upstream"], name="provider_bill_line_once_per_day_and_model")]

    def __str__(self) -> str:
        return f"{self.upstream} on {self.day}: {self.amount} USD"
