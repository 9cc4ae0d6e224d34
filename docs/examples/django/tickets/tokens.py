from rest_framework_simplejwt.serializers import TokenObtainPairSerializer

from . import waybill


class WaybillTokenSerializer(TokenObtainPairSerializer):
    """Tokens that are good here and at waybill."""

    @classmethod
    def get_token(cls, user):
        user = waybill.ensure_account(user)
        token = super().get_token(user)
        # The access token that is made of this one has them, too.
        token["role"] = user.role
        if user.partner_id is not None:
            token["partner_id"] = str(user.partner_id)
        return token
