"""A help desk beside waybill. What differs from one installation to another comes from the environment."""

import os
from datetime import timedelta
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "tickets",
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "helpdesk.urls"
WSGI_APPLICATION = "helpdesk.wsgi.application"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DJANGO_DATABASE", BASE_DIR / "db.sqlite3"),
    }
}
AUTH_USER_MODEL = "tickets.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

# Where waybill is, and the key that `waybill service-key add --name django --groups 'user_*'` has printed.
WAYBILL_URL = os.environ.get("WAYBILL_URL", "http://127.0.0.1:8000")
WAYBILL_SERVICE_KEY = os.environ["WAYBILL_SERVICE_KEY"]
# What the addresses of its users' accounts there end with. Nothing is ever sent to them.
WAYBILL_ACCOUNT_DOMAIN = "helpdesk.invalid"

SIMPLE_JWT = {
    # The same as waybill's WAYBILL_JWT_SECRET, so that it takes the tokens that are made here.
    "SIGNING_KEY": os.environ["WAYBILL_JWT_SECRET"],
    "ALGORITHM": "HS256",
    # A user is known there by waybill's id.
    "USER_ID_FIELD": "waybill_id",
    "USER_ID_CLAIM": "user_id",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
}
