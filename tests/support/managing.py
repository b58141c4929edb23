"""A program that manages, with a management key."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from keys.models import ManagementKey
from keys.services import create_management_key


@dataclass
class Manager:
    key: ManagementKey
    secret: str
    http: Client = field(default_factory=Client)

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}"} | headers
        return self.http.generic(method, f"/v1/admin/{path}", _json(body), content_type="application/json", headers=headers)

    def done(self, method: str, path: str, body: object = None) -> Any:
        answer = self(method, path, body)
        assert answer.status_code in (200, 201), answer.content
        return answer.json()


def make_manager(name: str = "billing", **bounds: Any) -> Manager:
    return Manager(*create_management_key(name=name, who="root", **bounds))


def _json(body: object) -> bytes:
    return b"" if body is None else json.dumps(body).encode()
