from django.urls import path

from tasks.notifications import api, key_secret_api, log_api

urlpatterns = [
    path("v1/webhook_endpoints", api.EndpointsView.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>", api.EndpointView.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>/rotate_secret", api.RotateView.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>/test", api.SendTestView.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>/deliveries", log_api.DeliveriesView.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>/redeliver", log_api.RedeliverView.as_view()),
    path("v1/webhook_endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>/redeliver", log_api.RedeliverOneView.as_view()),
    path("v1/tasks/<str:task_id>/webhook_deliveries", log_api.TaskDeliveriesView.as_view()),
    path("v1/tasks/<str:task_id>/webhook_deliveries/redeliver", log_api.RedeliverTaskView.as_view()),
    path("v1/webhook_event_types", api.EventTypesView.as_view()),
    path("v1/key/webhook_secret", key_secret_api.KeySecretView.as_view()),
    path("v1/key/webhook_secret/rotate", key_secret_api.RotateKeySecretView.as_view()),
    path("v1/admin/keys/<str:key_id>/webhook_secret", key_secret_api.ManagedKeySecretView.as_view()),
    path("v1/admin/keys/<str:key_id>/webhook_secret/rotate", key_secret_api.ManagedRotateKeySecretView.as_view()),
    path("v1/admin/webhook_endpoints", api.ManagedEndpointsView.as_view()),
    path("v1/admin/webhook_endpoints/<str:endpoint_id>", api.ManagedEndpointView.as_view()),
    path("v1/admin/webhook_endpoints/<str:endpoint_id>/rotate_secret", api.ManagedRotateView.as_view()),
    path("v1/admin/webhook_endpoints/<str:endpoint_id>/test", api.ManagedSendTestView.as_view()),
    path("v1/admin/webhook_endpoints/<str:endpoint_id>/deliveries", log_api.ManagedDeliveriesView.as_view()),
    path("v1/admin/webhook_endpoints/<str:endpoint_id>/redeliver", log_api.ManagedRedeliverView.as_view()),
    path("v1/admin/webhook_endpoints/<str:endpoint_id>/deliveries/<str:delivery_id>/redeliver", log_api.ManagedRedeliverOneView.as_view()),
    path("v1/admin/tasks/<str:task_id>/webhook_deliveries", log_api.ManagedTaskDeliveriesView.as_view()),
    path("v1/admin/tasks/<str:task_id>/webhook_deliveries/redeliver", log_api.ManagedRedeliverTaskView.as_view()),
    path("v1/admin/webhook_event_types", api.ManagedEventTypesView.as_view()),
]
