from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from tickets.tokens import WaybillTokenSerializer
from tickets.waybill import NoAccount


class Command(BaseCommand):
    help = "Prints an access token of a user, for trying things out."

    def add_arguments(self, parser):
        parser.add_argument("username")

    def handle(self, *, username, **_):
        user = get_user_model().objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"there is no user {username}")
        try:
            token = WaybillTokenSerializer.get_token(user)
        except NoAccount as error:
            raise CommandError(error.detail["detail"]) from error
        self.stdout.write(str(token.access_token))
