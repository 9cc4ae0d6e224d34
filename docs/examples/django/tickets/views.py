from rest_framework import generics, serializers
from rest_framework_simplejwt.views import TokenObtainPairView

from .models import Ticket
from .tokens import WaybillTokenSerializer


class TokenView(TokenObtainPairView):
    serializer_class = WaybillTokenSerializer


class TicketSerializer(serializers.ModelSerializer):
    class Meta:
        model = Ticket
        fields = ["id", "subject", "status", "updated_at"]


class OwnTickets:
    serializer_class = TicketSerializer

    def get_queryset(self):
        return self.request.user.tickets.order_by("-id")


class TicketList(OwnTickets, generics.ListCreateAPIView):
    def perform_create(self, serializer):
        serializer.save(owner=self.request.user)


class TicketDetail(OwnTickets, generics.RetrieveUpdateAPIView):
    pass
