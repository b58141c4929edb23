from django.urls import path

from videos.dialects.openai import views

urlpatterns = [
    path("v1/videos", views.VideosView.as_view()),
    path("v1/videos/edits", views.EditsView.as_view()),
    path("v1/videos/extensions", views.ExtensionsView.as_view()),
    path("v1/videos/characters", views.CharactersView.as_view()),
    path("v1/videos/<str:video_id>", views.VideoView.as_view()),
    path("v1/videos/<str:video_id>/content", views.ContentView.as_view()),
    path("v1/videos/<str:video_id>/remix", views.RemixView.as_view()),
]
