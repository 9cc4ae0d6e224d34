from django.urls import path
from rest_framework_simplejwt.views import TokenRefreshView

from tickets.views import TicketDetail, TicketList, TokenView

urlpatterns = [
    path("api/token/", TokenView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/tickets/", TicketList.as_view()),
    path("api/tickets/<int:pk>/", TicketDetail.as_view()),
]
