from django.urls import path

from tasks import client_tokens_api, management_api, pauses_api, runs_api, views
from tasks.realtime import endpoints, sse, websocket
from tasks.run_models import Action

urlpatterns = [
    path("v1/client_tokens", client_tokens_api.ClientTokensView.as_view()),
    path("v1/tasks", views.TaskListView.as_view()),
    path("v1/tasks/<str:task_id>", views.TaskView.as_view()),
    path("v1/tasks/<str:task_id>/cancel", views.CancelView.as_view()),
    path("v1/tasks/<str:task_id>/events", sse.TaskEventsView.as_view()),
    path("v1/admin/tasks", management_api.TasksView.as_view()),
    path("v1/admin/keys/<str:key_id>/media", runs_api.KeyMediaView.as_view()),
    path("v1/admin/tasks/cancel", runs_api.BeginView.as_view(action=Action.CANCEL)),
    path("v1/admin/tasks/retry", runs_api.BeginView.as_view(action=Action.RETRY)),
    path("v1/admin/runs", runs_api.RunsView.as_view()),
    path("v1/admin/runs/<str:run_id>", runs_api.OneRunView.as_view()),
    path("v1/admin/runs/<str:run_id>/outcomes", runs_api.OutcomesView.as_view()),
    path("v1/admin/runs/<str:run_id>/stop", runs_api.StopView.as_view()),
    path("v1/admin/tasks/<str:task_id>", management_api.TaskView.as_view()),
    path("v1/admin/tasks/<str:task_id>/cancel", management_api.CancelView.as_view()),
    path("v1/admin/tasks/<str:task_id>/media", management_api.MediaView.as_view()),
    path("v1/admin/tasks/<str:task_id>/retry", management_api.RetryView.as_view()),
    path("v1/admin/pauses", pauses_api.PausesView.as_view()),
    path("v1/admin/pauses/<str:pause_id>", pauses_api.PauseView.as_view()),
    path("v1/events", sse.EventsView.as_view()),
    path("ws/tasks", websocket.not_upgraded),
    path("ws/tasks/<str:task_id>", websocket.not_upgraded),
    *endpoints.views(),
]
