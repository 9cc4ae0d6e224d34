from django.urls import path

from tickets.views import RefreshView, TicketDetail, TicketList, TokenView

urlpatterns = [
    path("api/token/", TokenView.as_view()),
    path("api/token/refresh/", RefreshView.as_view()),
    path("api/tickets/", TicketList.as_view()),
    path("api/tickets/<int:pk>/", TicketDetail.as_view()),
]
