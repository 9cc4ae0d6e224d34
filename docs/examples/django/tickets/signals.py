from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from . import waybill
from .models import Ticket


@receiver(post_save, sender=Ticket)
def tell_owner(instance, **_):
    owner = instance.owner
    if owner.waybill_id is None:
        # Without an account the owner has no socket.
        return
    group, ticket = f"user_{owner.waybill_id}", Ticket.objects.filter(pk=instance.pk)

    # No functools.partial: Django asks a hook that has failed for its name.
    def tell():
        # As the row is now, which others may have changed since.
        data = ticket.values("id", "subject", "status", "version").first()
        if data is not None:
            waybill.publish(group, "ticket_changed", data)

    # After the commit, and not at all without one. A failure is logged: the ticket is saved all the same.
    transaction.on_commit(tell, robust=True)
