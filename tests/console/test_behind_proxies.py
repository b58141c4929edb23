"""The console behind a proxy that speaks TLS, serves several names, and asks its web processes in turn."""

import itertools
import re
from http.cookies import SimpleCookie

import pytest
import requests
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from tests.support.web import Web

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

PLACE = {
    "CONDUIT_ENV": "production",
    "SECRET_KEY": "ue8Shoh0Eid1uth7Aeph5ooZ-uiTh2Ahw9Lae8yaG",
    "PUBLIC_URL": "https://video.example.com",
    "ALLOWED_HOSTS": "video.example.com,admin.example.org,.example.net,127.0.0.1",
    "TRUSTED_PROXIES": "127.0.0.1",
    "MINIMAX_API_KEY": "a key",
    "MINIMAX_BASE_URL": "https://api.minimax.io",
}


@pytest.fixture
def webs():
    started = [Web(**PLACE), Web(**PLACE)]
    try:
        yield [web.start() for web in started]
    finally:
        for web in started:
            web.stop()


class Browser:
    """Keeps cookies as a browser does that sees `https://{host}`, whatever the processes behind the proxy are asked."""

    def __init__(self, webs, host):
        self._turns, self._host, self.cookies = itertools.cycle(webs), host, SimpleCookie()

    def __call__(self, method, path, origin=None, **data):
        answer = requests.request(
            method,
            next(self._turns).url + path,
            data=data,
            headers={
                "Host": self._host,
                "Origin": origin or f"https://{self._host}",
                "Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items()),
                "X-Forwarded-Proto": "https",
                "X-Forwarded-For": "203.0.113.7",
            },
            allow_redirects=False,
            timeout=60,
        )
        for header in answer.raw.headers.getlist("Set-Cookie"):
            self.cookies.load(header)
        return answer

    def send_form(self, path, **data):
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self("GET", path).text)
        assert token
        return self("POST", path, csrfmiddlewaretoken=token[1], **data)


def test_people_log_in_and_change_things_through_two_processes_in_turn_under_each_name(webs):
    root = get_user_model().objects.create_superuser("root")
    root.password = PBKDF2PasswordHasher().encode("a long password", "salt", 1000)  # the tests' own hashes are no others' to read
    root.save()

    for host in ("video.example.com", "admin.example.org", "a.example.net", "example.net"):
        browser = Browser(webs, host)
        login = browser.send_form("/admin/login/?next=/admin/", username="root", password="a long password")
        added = browser.send_form("/admin/videos/blockedterm/add/", term=host)

        assert [login.status_code, login.headers["Location"]] == [302, "/admin/"]
        assert [added.status_code, added.headers["Location"]] == [302, "/admin/videos/blockedterm/"]
        assert [browser("GET", "/admin/").status_code for _ in range(4)] == [200] * 4
        names = {name.rpartition("_")[0]: morsel for name, morsel in browser.cookies.items() if name != "messages"}
        assert set(names) == {"__Host-conduit_session", "__Host-conduit_csrf"}  # one of each, not one of each process
        assert {(morsel["secure"], morsel["path"], morsel["domain"]) for morsel in names.values()} == {(True, "/", "")}

    foreign = browser("POST", "/admin/videos/blockedterm/add/", origin="https://evil.example.com", term="gore")
    assert foreign.status_code == 403
