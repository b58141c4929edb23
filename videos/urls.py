from django.urls import include, path

from videos import views
from videos.accounts import api as accounts_api
from videos.downloads import serve
from videos.lost_orders import api as lost_orders_api

urlpatterns = [
    path("v1/video/generations", views.GenerationsView.as_view()),
    path("v1/video/generations/estimate", views.EstimateView.as_view()),
    path("v1/video/generations/<str:task_id>", views.GenerationView.as_view()),
    path("v1/video/generations/<str:task_id>/retry", views.RetryView.as_view()),
    path("v1/tasks/<str:task_id>/media", views.MediaView.as_view()),
    path("v1/models", views.ModelsView.as_view()),
    path("v1/models/<path:name>", views.ModelView.as_view()),
    path("v1/admin/accounts", accounts_api.AccountsView.as_view()),
    path("v1/admin/accounts/<str:account_id>", accounts_api.AccountView.as_view()),
    path("v1/admin/accounts/<str:account_id>/test", accounts_api.AccountTestView.as_view()),
    path("", include("videos.dialects.openai.urls")),
    path("v1/admin/lost_orders", lost_orders_api.LostOrdersView.as_view()),
    path("v1/admin/tasks/<str:task_id>/reconcile", lost_orders_api.ReconcileView.as_view()),
    path("media/<str:task_id>/<str:name>", serve),
]
