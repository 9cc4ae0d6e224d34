from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    class Role(models.TextChoices):
        CUSTOMER = "customer"
        PARTNER = "partner"

    # What the account at waybill is made as.
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.CUSTOMER)
    # Who this is at waybill, once it is known there.
    waybill_id = models.UUIDField(null=True, unique=True, editable=False)


class Ticket(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        SOLVED = "solved"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tickets")
    subject = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    updated_at = models.DateTimeField(auto_now=True)
    # Grows with every save. What has a lower one is older, in whatever order it arrives.
    version = models.PositiveBigIntegerField(default=1, editable=False)

    def save(self, *args, update_fields=None, **kwargs):
        if not self._state.adding:
            # The database counts: two who save at once get two numbers.
            self.version = models.F("version") + 1
            update_fields = update_fields and {*update_fields, "version", "updated_at"}
        super().save(*args, update_fields=update_fields, **kwargs)
