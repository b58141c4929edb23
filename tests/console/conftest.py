from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client


@pytest.fixture
def admin(db: None) -> Client:
    """The console as its administrator sees it."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", password="a long password"))
    return client


@pytest.fixture
def page(admin: Client) -> Any:
    """The text of a page that answers 200: `page("keys/virtualkey/")`."""

    def get(path: str = "") -> str:
        answer = admin.get(f"/admin/{path}", follow=True)  # as a browser does
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.content.decode()

    return get
