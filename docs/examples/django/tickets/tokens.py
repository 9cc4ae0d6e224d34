from django.core.exceptions import ObjectDoesNotExist
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer

from . import waybill


class WaybillTokenSerializer(TokenObtainPairSerializer):
    """Tokens that are good here and at waybill.

    They do not say `role` or `partner_id`: waybill knows both, and refuses a token that says otherwise.
    """

    @classmethod
    def get_token(cls, user):
        return super().get_token(waybill.ensure_account(user))


class WaybillRefreshSerializer(TokenRefreshSerializer):
    def validate(self, attrs):
        try:
            return super().validate(attrs)
        except ObjectDoesNotExist:
            # The user is gone, or has another account at waybill.
            message = self.error_messages["no_active_account"]
            raise AuthenticationFailed(message, "no_active_account") from None
