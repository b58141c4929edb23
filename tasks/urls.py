from django.urls import path

from tasks import views

urlpatterns = [
    path("v1/tasks", views.TaskListView.as_view()),
    path("v1/tasks/<str:task_id>", views.TaskView.as_view()),
    path("v1/tasks/<str:task_id>/cancel", views.CancelView.as_view()),
]
