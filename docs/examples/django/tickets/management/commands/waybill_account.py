import uuid

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError


class Command(BaseCommand):
    help = (
        "Gives a user an account that waybill has already, an admin's say; without an id, has the next log-in find or make the "
        "account that goes with the user's role."
    )

    def add_arguments(self, parser):
        parser.add_argument("username")
        parser.add_argument("id", nargs="?", type=uuid.UUID, help="what `waybill user add` has printed")

    def handle(self, *, username, id, **_):
        try:
            if not get_user_model().objects.filter(username=username).update(waybill_id=id):
                raise CommandError(f"there is no user {username}")
        except IntegrityError:
            raise CommandError("this account is another user's") from None
