from django.urls import path

from keys import client_tokens_api, management_api, views

urlpatterns = [
    path("v1/key", views.KeyView.as_view()),
    path("v1/usage", views.UsageView.as_view()),
    path("v1/admin/key", management_api.OwnKeyView.as_view()),
    path("v1/admin/key/rotate", management_api.OwnRotateView.as_view()),
    path("v1/admin/keys", management_api.KeysView.as_view()),
    path("v1/admin/keys/<str:key_id>", management_api.KeyView.as_view()),
    path("v1/admin/keys/<str:key_id>/client_tokens", client_tokens_api.ClientTokensOfKeyView.as_view()),
    path("v1/admin/keys/<str:key_id>/rotate", management_api.RotateView.as_view()),
    path("v1/admin/teams", management_api.TeamsView.as_view()),
    path("v1/admin/teams/<str:team_id>", management_api.TeamView.as_view()),
    path("v1/admin/usage", management_api.UsageView.as_view()),
]
