from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from . import waybill
from .models import Ticket


@receiver(post_save, sender=Ticket)
def tell_owner(instance, created, **_):
    owner = instance.owner
    if owner.waybill_id is None:
        # Without an account the owner has no socket.
        return
    # Put together now: what is told is what is committed, whatever is done with the object until then.
    data = {"id": instance.pk, "subject": instance.subject, "status": instance.status, "created": created}

    # No functools.partial: Django asks a hook that has failed for its name.
    def tell():
        waybill.publish(f"user_{owner.waybill_id}", "ticket_changed", data)

    # After the commit, and not at all without one. A failure is logged: the ticket is saved all the same.
    transaction.on_commit(tell, robust=True)
