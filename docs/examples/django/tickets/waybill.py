"""What this project asks of waybill: accounts for its users, and publishing."""

import logging
import time
import uuid

import requests
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac
from rest_framework import status
from rest_framework.exceptions import APIException

logger = logging.getLogger(__name__)

TIMEOUT = 5  # seconds
TRIES = 3
# Whoever publishes waits, in a request most often: when waybill asks for more than this, it is not tried again.
LONGEST_WAIT = 10  # seconds
# Too often, or a proxy or waybill itself that is going away, restarting or slow: an event may have been taken or not.
PASSING = (429, 502, 503, 504)
NAME_LENGTH = 100


class NoAccount(APIException):
    """A user has no account at waybill yet, so there is no token: 503, with `Retry-After`."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE

    def __init__(self, code, detail, wait):
        super().__init__({"code": code, "detail": detail})
        self.wait = wait  # seconds, which REST framework puts into Retry-After


def _away(wait=0):
    return NoAccount("waybill_away", "The realtime server cannot be asked now. Try again.", max(wait, 5))


def _refused(user, why):
    # No trying again helps, so somebody has to hear of it.
    logger.error(
        "waybill gives user %s no account: %s. Mend that, or make an account with `waybill user add` and give it to the "
        "user: manage.py waybill_account %s <id>",
        user.pk,
        why,
        user.get_username(),
    )
    return NoAccount("waybill_refused", "The realtime server does not take this user. The operator is told.", 60)


def _post(path, body, **headers):
    return requests.post(f"{settings.WAYBILL_URL}/api/v1{path}", json=body, headers=headers, timeout=TIMEOUT)


def ensure_account(user):
    """Makes the user known to waybill, once: its tokens name users of its own. Raises `NoAccount`.

    waybill is asked outside of any transaction, which would lock the database for as long as that takes. Two first log-ins
    at once find the same account.
    """
    if user.waybill_id is None:
        account_id = _account(user)
        try:
            with transaction.atomic():
                # Unless somebody has given the user an account meanwhile.
                type(user).objects.filter(pk=user.pk, waybill_id=None).update(waybill_id=account_id)
        except IntegrityError:
            raise _refused(user, f"account {account_id} is another user's") from None
        user.refresh_from_db(fields=["waybill_id"])
    return user


def _account(user):
    """The id of the account that goes with the user's role."""
    # The user's own address could be registered there by anybody first. This one nobody can guess without SECRET_KEY, nor
    # the password, with which only this function logs in: when the account is there already.
    mark = salted_hmac("waybill address", f"{user.role} {user.pk}").hexdigest()[:32]
    email = f"{user.role}-{user.pk}-{mark}@{settings.WAYBILL_ACCOUNT_DOMAIN}"
    password = salted_hmac("waybill password", email).hexdigest()
    try:
        body = {"email": email, "password": password, "name": _name(user), "role": user.role}
        answer = _post("/auth/register", body)
        if answer.status_code == 409:
            answer = _post("/auth/login", {"email": email, "password": password})
    except requests.RequestException as error:
        logger.warning("waybill cannot be asked for an account: %s", error)
        raise _away() from error
    if answer.status_code == 429 or answer.status_code >= 500:
        logger.warning("waybill makes no account now: it answers %s", answer.status_code)
        raise _away(_asked_wait(answer))
    try:
        answer.raise_for_status()
        return uuid.UUID(answer.json()["user"]["id"])
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        # Its body says what is wrong; that of a good answer has tokens, which belong into no log.
        said = answer.text[:500] if answer.status_code >= 400 else type(error).__name__
        raise _refused(user, f"{answer.status_code} {said}") from error


def _name(user):
    # Others see it: no username that is an e-mail address.
    names = (user.get_full_name(), user.get_username(), f"{user.get_role_display()} {user.pk}")
    lines = (" ".join(name.split())[:NAME_LENGTH].rstrip() for name in names)
    return next(line for line in lines if line and "@" not in line)


def publish(group, kind, data):
    """Publishes an event to all who listen to `group`. To be called after the commit.

    It is tried again under the same id while waybill cannot be reached, or answers that it cannot now: however often it
    arrives, it is one event.
    """
    event_id = str(uuid.uuid4())
    body = {"group": group, "type": kind, "data": data, "id": event_id}
    headers = {"Authorization": f"Bearer {settings.WAYBILL_SERVICE_KEY}", "Idempotency-Key": event_id}
    for left in reversed(range(TRIES)):
        wait = 0.2 * (TRIES - left)
        try:
            answer = _post("/events", body, **headers)
            wait = max(wait, _asked_wait(answer))
            if answer.status_code not in PASSING or not left or wait > LONGEST_WAIT:
                answer.raise_for_status()
                return event_id
        except (requests.ConnectionError, requests.Timeout):
            if not left:
                raise
        time.sleep(wait)


def _asked_wait(answer):
    # In seconds, as waybill has it; a proxy may send a date instead, or none.
    asked = answer.headers.get("Retry-After", "")
    return int(asked) if asked.isdecimal() else 0
