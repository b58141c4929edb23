"""MiniMax's bill beside what it should bill: uploaded, compared, replaced."""

import re
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conduit import clock
from keys.models import AuditEntry
from tests.support.planned_clips import planned_clip
from tests.support.racing import in_threads
from tests.support.rolling import roll_up
from videos import provider_bills
from videos.bill_models import ProviderBill, ProviderBillLine

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

DAYS = "from=2026-11-01&to=2026-11-30"


def job(consumer, day, upstream="video-01", billed="0.43"):
    at = clock.now().replace(year=2026, month=11, day=day)
    task_id = consumer.generate()["task_id"]
    clip = planned_clip(task_id, state="submitted", billed=Decimal(billed), provider_task_id="7", sent_at=at, submitted_at=at)
    clip.upstream = upstream
    clip.save(update_fields=["upstream"])


@pytest.fixture
def made(consumer):
    for day in (2, 2, 3, 5):
        job(consumer, day)
    job(consumer, 5, "MiniMax-Hailuo-02", "0.28")
    roll_up()


@pytest.fixture
def upload(admin):
    def send(*lines, name="november.csv"):
        content = "\n".join(["day,model,quantity,amount", *lines])
        return admin.post("/admin/money/bill/", {"bill": SimpleUploadedFile(name, content.encode())}, follow=True)

    return send


def rows(text):
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = [re.findall(r"<td.*?</td>", row, re.DOTALL) for row in re.split(r"<tr[^>]*>", body)[1:]]
    return [[" ".join(re.sub(r"<[^>]+>", " ", unescape(cell)).split()) for cell in row] for row in cells]


def test_without_a_bill_what_minimax_should_bill_stands_alone(page, made):
    text = page(f"money/bill/?{DAYS}")

    assert "No bill is about these days yet" in text
    assert rows(text)[0] == ["2026-11-05", "MiniMax-Hailuo-02", "1", "0.2800 USD", "-", "-", "no bill yet"]
    assert rows(text)[-1] == ["2026-11-02", "video-01", "2", "0.8600 USD", "-", "-", "no bill yet"]


def test_a_bill_is_compared_by_day_and_model_and_what_differs_is_marked(made, upload):
    answer = upload(
        "2026-11-02,VIDEO-01,2,0.86", "2026-11-03,video-01,2,0.86", "2026-11-04,image-01,1,0.0035", "2026-11-05,video-01,1,0.43"
    )
    text = " ".join(answer.content.decode().split())

    assert answer.redirect_chain == [("/admin/money/bill/?from=2026-11-02&to=2026-11-05", 302)]
    assert rows(text) == [
        ["2026-11-05", "MiniMax-Hailuo-02", "1", "0.2800 USD", "-", "0", "▼ is not on the bill"],
        ["2026-11-05", "video-01", "1", "0.4300 USD", "1", "0.4300 USD", "● the same"],
        ["2026-11-04", "image-01", "0", "0", "1", "0.0035 USD", "● the same"],
        ["2026-11-03", "video-01", "1", "0.4300 USD", "2", "0.8600 USD", "▲ 0.4300 USD more"],
        ["2026-11-02", "video-01", "2", "0.8600 USD", "2", "0.8600 USD", "● the same"],
    ]
    assert "▲ 2 days and models differ." in text
    assert "should bill 2.0000 USD and bills 2.1535 USD: 0.1535 USD more." in text
    assert "Stored november.csv: 4 days and models from 2026-11-02 to 2026-11-05, 2.1535 USD." in text


def test_what_differs_can_be_looked_at_alone_and_leads_to_the_tasks_of_that_day_and_model(page, made, upload):
    upload("2026-11-02,video-01,2,0.86", "2026-11-03,video-01,9,9.99")

    text = page(f"money/bill/?{DAYS}&only=differences")

    assert [row[0] for row in rows(text)] == ["2026-11-03"]
    assert "q=model%3Aminimax-video+created%3A2026-11-03" in text


def test_a_new_bill_takes_the_place_of_earlier_ones_for_its_days_alone(page, made, upload):
    upload("2026-11-02,video-01,2,5", "2026-11-03,video-01,1,5", "2026-11-05,video-01,1,5")
    answer = upload("2026-11-03,video-01,1,0.43", "2026-11-05,video-01,1,0.43", name="corrected.csv")

    assert "2 lines of earlier bills were replaced." in answer.content.decode()
    assert list(ProviderBillLine.objects.order_by("day").values_list("day", "amount")) == [
        (date(2026, 11, 2), Decimal(5)),
        (date(2026, 11, 3), Decimal("0.43")),
        (date(2026, 11, 5), Decimal("0.43")),
    ]
    assert [(bill.file_name, bill.uploaded_by) for bill in ProviderBill.objects.all()] == [
        ("corrected.csv", "root"),
        ("november.csv", "root"),
    ]
    [_, entry] = AuditEntry.objects.filter(action="upload bill").order_by("pk")
    assert entry.changes["replaced_lines"] == 2
    assert "uploaded" in page("audit/")
    assert (entry.who, entry.changes["file_name"], entry.changes["amount"]) == ("root", "corrected.csv", "0.8600")


def test_a_file_that_cannot_be_read_is_told_with_its_line_and_stores_nothing(admin, upload):
    assert (
        "Nothing was stored of november.csv. Line 2: &#x27;yesterday&#x27; is no day." in upload("yesterday,video-01,1,1").content.decode()
    )
    assert "No file was chosen" in admin.post("/admin/money/bill/", {}, follow=True).content.decode()
    assert not ProviderBill.objects.exists()


def test_a_viewer_compares_and_uploads_nothing(db, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_usagecost"))
    client = Client()
    client.force_login(viewer)

    assert 'type="file"' not in client.get("/admin/money/bill/").content.decode()
    assert client.post("/admin/money/bill/", {"bill": SimpleUploadedFile("a.csv", b"day,model,amount\n2026-11-01,a,1")}).status_code == 403
    assert not ProviderBill.objects.exists()


def test_the_page_costs_the_same_for_a_bill_of_a_year(admin, made, upload):
    upload(*[f"{date(2026, 1, 1) + timedelta(days=number)},video-01,1,0.43" for number in range(364)])

    with CaptureQueriesContext(connection) as queries:
        answer = admin.get("/admin/money/bill/?from=2026-01-01&to=2026-12-30")

    assert (answer.status_code, len(queries) <= 9) == (200, True), [query["sql"][:90] for query in queries]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_bills_of_the_same_days_that_are_uploaded_at_once_follow_each_other():
    days = "\n".join(f"2026-{month:02}-{day:02},a,1" for month in range(1, 13) for day in range(1, 29))
    send = partial(provider_bills.upload, f"day,model,amount\n{days}".encode(), file_name="a.csv", who="root")

    stored = in_threads(*[send] * 4)

    assert sorted(one.replaced for one in stored) == [0, 336, 336, 336]
    assert ProviderBillLine.objects.values_list("bill").distinct().count() == 1
