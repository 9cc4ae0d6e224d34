from rest_framework import generics, serializers
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from .models import Ticket
from .tokens import WaybillRefreshSerializer, WaybillTokenSerializer


class TokenView(TokenObtainPairView):
    serializer_class = WaybillTokenSerializer


class RefreshView(TokenRefreshView):
    serializer_class = WaybillRefreshSerializer


class TicketSerializer(serializers.ModelSerializer):
    class Meta:
        model = Ticket
        fields = ["id", "subject", "status", "version", "updated_at"]
        read_only_fields = ["version"]


class OwnTickets:
    serializer_class = TicketSerializer

    def get_queryset(self):
        return self.request.user.tickets.order_by("-id")


class TicketList(OwnTickets, generics.ListCreateAPIView):
    def perform_create(self, serializer):
        serializer.save(owner=self.request.user)


class TicketDetail(OwnTickets, generics.RetrieveUpdateAPIView):
    def perform_update(self, serializer):
        # The database has counted.
        serializer.save().refresh_from_db(fields=["version"])
