"""What is at `/`."""

import re
from pathlib import Path

from django.contrib.staticfiles import finders
from django.test import Client

from tests.support.envelopes import refused

MICROSOFT = Path(__file__).parents[1] / "signalr" / "node" / "node_modules" / "@microsoft" / "signalr"


def test_the_playground_is_one_page_of_files_of_ours_under_a_strict_policy():
    answer = Client().get("/")
    page = answer.content.decode()

    assert answer.status_code == 200
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert not answer.cookies
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(files) == 4
    assert all(finders.find(file.removeprefix("/static/")) for file in files)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
    assert Client().head("/").status_code == 200


def test_each_size_is_drawn_to_scale():
    page = Client().get("/").content.decode()

    drawn = {value: float(width) / float(height) for value, width, height in re.findall(SIZE, page, re.DOTALL)}
    assert drawn.keys() == {"720x480", "1280x720", "1920x1080", "720x1280", "1080x1920"}
    for value, ratio in drawn.items():
        width, height = map(int, value.split("x"))
        assert abs(ratio - width / height) < 0.05


SIZE = r'name="size" value="(\w+)".*?width="([\d.]+)" height="([\d.]+)" rx'


def test_nothing_but_reading_is_answered_there():
    refused(Client().post("/"), 404, "not_found")


def test_without_the_playground_there_is_a_short_page_that_leads_on(settings):
    settings.PLAYGROUND = False

    page = Client().get("/").content.decode()

    assert 'href="/docs"' in page
    assert 'href="/admin/"' in page
    assert "<script" not in page


def test_the_client_of_the_hub_is_microsofts_own_unmodified():
    ours = Path(finders.find("playground/vendor/signalr.min.js"))

    assert ours.read_bytes() == (MICROSOFT / "dist" / "browser" / "signalr.min.js").read_bytes()
    assert "MIT License" in (ours.parent / "signalr.LICENSE").read_text()
