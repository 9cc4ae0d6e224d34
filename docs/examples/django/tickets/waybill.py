"""What this project asks of waybill: accounts for its users, and publishing."""

import time
import uuid

import requests
from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

TIMEOUT = 5  # seconds
TRIES = 3
# Whoever publishes waits, in a request most often: when waybill asks for more than this, it is not tried again.
LONGEST_WAIT = 10  # seconds
# Too often, or a proxy or waybill itself that is going away, restarting or slow: an event may have been taken or not.
PASSING = (429, 502, 503, 504)
NAME_LENGTH = 100


def _post(path, body, **headers):
    return requests.post(f"{settings.WAYBILL_URL}/api/v1{path}", json=body, headers=headers, timeout=TIMEOUT)


def ensure_account(user):
    """Makes the user known to waybill, once: its tokens name users of its own."""
    with transaction.atomic():
        user = type(user).objects.select_for_update().get(pk=user.pk)
        if user.waybill_id is None:
            account = _account(user)
            user.waybill_id = account["id"]
            user.partner_id = account["partner_id"]
            user.save(update_fields=["waybill_id", "partner_id"])
    user.refresh_from_db()
    return user


def _account(user):
    # Nobody logs in with it but this function, after a crash between the call and the commit.
    password = salted_hmac("waybill account", str(user.pk)).hexdigest()
    body = {"email": user.email, "password": password, "name": _name(user), "role": user.role}
    answer = _post("/auth/register", body)
    if answer.status_code == 409:
        answer = _post("/auth/login", {"email": user.email, "password": password})
    answer.raise_for_status()
    return answer.json()["user"]


def _name(user):
    # Others see it: no username that is an e-mail address.
    names = (user.get_full_name(), user.get_username(), f"{user.get_role_display()} {user.pk}")
    return next(name for name in names if name and "@" not in name)[:NAME_LENGTH]


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
