"""The page of a task: one in place of four."""

import re
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from conduit import clock
from keys.models import AuditEntry, UsageCost
from tasks import pauses, runs
from tasks.models import Task, TaskEvent
from tasks.run_models import Action
from tests.support.ending import end
from tests.support.lookalike import Answer
from tests.support.planned_clips import planned_clip
from videos.exchange_models import Exchange
from videos.models import Clip, Video

pytestmark = pytest.mark.django_db


def words(text: str) -> str:
    """What is read of a page: its text, spaces as one."""
    body = re.sub(r"<(script|svg|form id=.logout).*?</\1>", " ", text.partition('<div id="task"')[2] or text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def part(text: str, name: str) -> str:
    return words(f'<div id="task"{text.partition(f"data-part={chr(34)}{name}{chr(34)}")[2].partition("</section>")[0]}')


@pytest.fixture
def refused(consumer, driver, minimax):
    """A task that MiniMax failed."""
    minimax.always("query", Answer(status="Fail", code=1027, message="<b>output refused</b>"))
    return driver.finish(consumer.generate("a <b>bold</b> cat", metadata={"shot": "<i>12</i>"})["task_id"])


# ---- What it shows


def test_a_completed_task_shows_its_video_its_life_and_its_money(page, consumer, driver, minimax):
    task = driver.finish(consumer.generate("a paper boat")["task_id"])

    text = page(f"tasks/{task.pk}/")

    assert re.search(rf'<video controls[^>]* width="1280" height="720" src="/media/{task.pk}/video.mp4\?expires=[^"]*"', text)
    assert f'poster="/media/{task.pk}/thumbnail.jpg?expires=' in text
    life = part(text, "life")
    for step in ("Queued", "Clip 1 ordered", "Clip 1 at MiniMax", "Clip 1 fetched", "Clip 1 looked into", "Assembled", "Stored", "Told"):
        assert step in life
    assert "HTTP 200, code 0" in life
    assert "4 questions, the newest answered “success”" in life
    money = part(text, "money")
    assert "0.2000 USD was held → 0.2000 USD charged, 0.0000 USD given back · MiniMax bills 0.4300 USD · margin -0.2300 USD" in money
    assert "✓ The rows add up: 0.2000 USD held = 0.2000 USD charged + 0.0000 USD given back" in money


def test_a_task_under_way_keeps_the_place_of_its_video(page, consumer):
    task_id = consumer.generate(resolution="720x1280")["task_id"]

    text = page(f"tasks/{task_id}/")

    assert '<svg class="task-frame" width="720" height="1280"' in text
    assert "<video" not in text
    assert 'role="progressbar"' in text
    assert "0.2000 USD is held" in part(text, "money")


def test_why_a_task_failed_at_minimax_is_told_in_words_with_its_code(page, refused):
    text = page(f"tasks/{refused.pk}/")

    problem = part(text, "problem")
    assert "withheld the video under its content policy. content_policy_violation" in problem
    assert "MiniMax answered 1027 “&lt;b&gt;output refused&lt;/b&gt;” with HTTP 200 to GET /v1/query/video_generation" in problem
    assert 'data-copy="trace-2"' in text
    assert "No video was made." in text


def test_whatever_a_prompt_or_minimax_says_is_shown_as_text(page, refused):
    text = page(f"tasks/{refused.pk}/")

    for marked in ("<b>bold", "<b>output", "<i>12"):
        assert marked not in text
    assert "&lt;b&gt;bold" in text


def test_the_plan_stands_beside_what_was_made(page, consumer):
    task_id = consumer.generate(duration=17, resolution="1080x1920")["task_id"]
    planned_clip(task_id, 0, state="ready", billed=Decimal("0.0035"))
    planned_clip(task_id, 1, state="ready", frames=150, fps=25.0, width=720, height=1280, provider_task_id="4711", billed=Decimal("0.43"))

    plan = part(page(f"tasks/{task_id}/"), "plan")

    assert "First image image-01, image 9:16 the prompt 0.0035 USD ready" in plan
    assert "Clip 1 I2V-01, 6 s 720P the one before 0.4300 USD ready: 150 frames, 720x1280, 25 a second, 6 s 0.4300 USD" in plan
    assert "Clip 2 I2V-01, 6 s 720P the one before 0.4300 USD not begun -" in plan
    assert "planned at 720x1280 and 25 frames a second, for 1.2935 USD at MiniMax" in plan
    assert "3 clips joined, trimmed from 18 s to 17 s, scaled up to 150.0%" in plan


def test_what_was_said_to_minimax_is_told_with_a_ticket_to_it(page, refused):
    exchanges = part(text := page(f"tasks/{refused.pk}/"), "exchanges")

    assert "Exchanges with MiniMax (2)" in exchanges
    assert "create POST /v1/video_generation" in exchanges
    assert "✕ error" in exchanges
    assert "&quot;prompt&quot;: &quot;*** (17 characters)&quot;" in exchanges
    assert f'data-copy="A video generation at {minimax_url(text)}' in text


def minimax_url(text):
    return re.search(r"A video generation at (\S+)", text)[1]


def test_money_that_does_not_add_up_is_said_loudly(page, consumer):
    task = end(consumer.generate()["task_id"], "completed")
    Task.objects.filter(pk=task.pk).update(charged=Decimal("0.1"))

    money = part(text := page(f"tasks/{task.pk}/"), "money")

    assert "✕ The money does not add up: this task is charged 0.1000, but 0.2000 was captured" in money
    assert "The rows add up" not in text
    assert 'role="alert"' in text


def test_a_refund_is_part_of_the_sum(page, consumer, admin):
    task = end(consumer.generate()["task_id"], "completed")
    link = re.search(r'href="(/admin/keys/usagecost/add/\?entry=refund[^"]*)"', page(f"tasks/{task.pk}/"))[1].replace("&amp;", "&")
    assert str(task.pk) in admin.get(link).content.decode()
    admin.post("/admin/keys/usagecost/add/", {"entry": "refund", "task_id": task.pk, "amount": "0.05", "why": "too dark"})

    text = page(f"tasks/{task.pk}/")

    assert "0.0500 USD refunded" in part(text, "money")
    assert "root: too dark" in part(text, "money")
    assert "Refund…" not in text


def test_a_retry_and_its_original_lead_to_each_other(page, consumer, refused):
    again = consumer.post(f"/v1/video/generations/{refused.pk}/retry").json()["task_id"]

    assert f'href="/admin/tasks/{again}/"' in page(f"tasks/{refused.pk}/")
    assert f'href="/admin/tasks/{refused.pk}/"' in page(f"tasks/{again}/")


def test_what_is_no_longer_kept_is_said_to_be_so(page, consumer, driver, minimax):
    task = driver.finish(consumer.generate()["task_id"])
    Exchange.objects.all().delete()
    TaskEvent.objects.all().delete()
    Video.objects.update(file="", thumbnail="")

    text = page(f"tasks/{task.pk}/")

    assert "The video is no longer kept." in text
    assert "or it is no longer kept ( EXCHANGES_KEPT_DAYS )" in part(text, "exchanges")
    assert "its events are no longer kept" in part(text, "life")
    assert "Copy a ticket" not in text


def test_its_values_lead_to_the_tasks_that_share_them(page, refused):
    text = page(f"tasks/{refused.pk}/")

    for search in (f"key%3A{refused.key_id}", "model%3A%22minimax-video%22", "error%3Acontent_policy_violation"):
        assert f'href="/admin/tasks/?q={search}"' in text


def test_it_shows_no_secret(page, consumer):
    task_id = consumer.generate()["task_id"]
    planned_clip(task_id, state="located", provider_task_id="7", download_url="https://minimax.example/clip.mp4?token=opens-the-clip")

    text = page(f"tasks/{task_id}/")

    assert "opens-the-clip" not in text
    assert consumer.secret not in text


# ---- Where it is


@pytest.mark.parametrize("path", ["tasks/task/{}/change/", "videos/video/{}/change/"])
def test_the_pages_of_its_rows_lead_to_it(admin, consumer, path):
    task_id = consumer.generate()["task_id"]

    assert admin.get(f"/admin/{path.format(task_id)}").headers["Location"] == f"/admin/tasks/{task_id}/"


def test_the_page_of_a_clip_leads_to_it(admin, consumer):
    task_id = consumer.generate()["task_id"]
    clip = planned_clip(task_id)

    assert admin.get(f"/admin/videos/clip/{clip.pk}/change/").headers["Location"] == f"/admin/tasks/{task_id}/"


@pytest.mark.parametrize("path", ["", "parts/", "cancel/", "retry/"])
def test_there_is_no_page_of_what_is_no_task(admin, path):
    answer = admin.get(f"/admin/tasks/{uuid4()}/{path}")

    assert answer.status_code == 404
    assert 'aria-label="Console"' in answer.content.decode()


def test_rows_of_a_task_are_found_by_its_id(page, consumer):
    first, second = (consumer.generate()["task_id"] for _ in range(2))
    planned_clip(first)
    planned_clip(second)

    for path in ("keys/usagecost", "tasks/taskevent", "videos/clip"):
        assert page(f"{path}/?q={first}").count('<th class="field-') == 1


def test_the_number_of_queries_does_not_grow_with_the_task(admin, consumer, driver, minimax, django_assert_num_queries):
    task = driver.finish(consumer.generate(duration=7, resolution="720x480")["task_id"])
    now = clock.now()
    said = {"video_id": task.pk, "call": "query", "method": "GET", "path": "/v1", "http": 500, "is_error": True, "milliseconds": 5}
    Exchange.objects.bulk_create(Exchange(**said, clip_number=0, first_at=now, last_at=now) for _ in range(50))
    assert Clip.objects.filter(video=task.pk).count() == 2

    for path in ("", "parts/"):
        with django_assert_num_queries(QUERIES):
            admin.get(f"/admin/tasks/{task.pk}/{path}")


# Session, account, conditions and lists of the frame; the task, its clips, exchanges, counts of them, events, retries, ledger, row.
QUERIES = 12


# ---- What can be done


@pytest.fixture
def audits():
    """Who did that to what, by the audit: `audits("cancel", "task:…")`."""
    return lambda action, target: list(AuditEntry.objects.filter(action=action, target=target).values_list("who", flat=True))


@pytest.fixture
def operator(db):
    return _member_of("operator")


@pytest.fixture
def viewer(db):
    return _member_of("viewer")


def _member_of(role: str) -> Client:
    user = get_user_model().objects.create_user(role, password="a long password", is_staff=True)
    user.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(user)
    return client


def test_who_may_only_view_sees_no_button_and_does_nothing_by_hand(viewer, consumer):
    running, failed = consumer.generate()["task_id"], end(consumer.generate()["task_id"], "failed").pk

    for task_id, action in ((running, "cancel"), (failed, "retry")):
        answer = viewer.get(f"/admin/tasks/{task_id}/")
        assert answer.status_code == 200
        assert f"/{action}/" not in answer.content.decode()
        assert viewer.get(f"/admin/tasks/{task_id}/{action}/").status_code == 403
        assert viewer.post(f"/admin/tasks/{task_id}/{action}/").status_code == 403
    assert Task.objects.count() == 2
    assert Task.objects.get(pk=running).is_active


def test_who_may_not_see_tasks_does_not_see_one(consumer):
    user = get_user_model().objects.create_user("sam", password="a long password", is_staff=True)
    client = Client()
    client.force_login(user)

    assert client.get(f"/admin/tasks/{consumer.generate()['task_id']}/").status_code == 403


def test_a_cancel_says_what_it_costs_and_is_done_once(operator, consumer, audits):
    task_id = consumer.generate()["task_id"]
    assert f'href="/admin/tasks/{task_id}/cancel/"' in operator.get(f"/admin/tasks/{task_id}/").content.decode()
    asked = words(operator.get(f"/admin/tasks/{task_id}/cancel/").content.decode())
    assert "0.2000 USD is held for it: as it stands now, 0.2000 USD goes back to its key and nothing is charged" in asked

    first, second = (operator.post(f"/admin/tasks/{task_id}/cancel/", follow=True).content.decode() for _ in range(2))

    assert "Cancelled: 0.2000 USD went back to its key." in first
    assert "cancelled" in words(second)
    assert Task.objects.get(pk=task_id).status == "cancelled"
    assert audits("cancel", f"task:{task_id}") == ["operator"]


def test_a_cancel_of_what_was_sent_says_what_is_charged(operator, consumer):
    task_id = consumer.generate()["task_id"]
    planned_clip(task_id, state="submitted", provider_task_id="7", sent_at=clock.now())

    asked = words(operator.get(f"/admin/tasks/{task_id}/cancel/").content.decode())
    done = operator.post(f"/admin/tasks/{task_id}/cancel/", follow=True).content.decode()

    assert "0.2000 USD is charged , because that share was already sent to MiniMax, and 0.0000 USD goes back" in asked
    assert "Cancelled: 0.0000 USD went back to its key, 0.2000 USD is charged." in done


def test_a_cancel_that_comes_too_late_says_so(operator, consumer):
    task = end(consumer.generate()["task_id"], "completed")

    for answer in (
        operator.get(f"/admin/tasks/{task.pk}/cancel/", follow=True),
        operator.post(f"/admin/tasks/{task.pk}/cancel/", follow=True),
    ):
        assert "This task is completed: only one that is queued or processing can be cancelled." in answer.content.decode()


def test_a_retry_says_what_it_costs_and_is_done_once(operator, consumer, audits):
    failed = end(consumer.generate()["task_id"], "failed")
    form = operator.get(f"/admin/tasks/{failed.pk}/retry/").content.decode()
    assert "pays today&#x27;s price: 0.2000 USD" in words(form) or "pays today's price: 0.2000 USD" in words(form)
    sent = {"form_id": re.search(r'name="form_id" value="([^"]*)"', form)[1]}

    answers = [operator.post(f"/admin/tasks/{failed.pk}/retry/", sent) for _ in range(2)]

    (again,) = Task.objects.filter(retry_of=failed)
    assert {answer.headers["Location"] for answer in answers} == {f"/admin/tasks/{again.pk}/"}
    assert audits("retry", f"task:{failed.pk}") == ["operator"]
    assert UsageCost.objects.filter(entry="hold").count() == 2
    # Who opens the form anew means another one, and is told of the first.
    assert "It was retried already" in operator.get(f"/admin/tasks/{failed.pk}/retry/").content.decode()


def test_a_form_that_waited_while_a_run_retried_the_task_makes_no_second_retry(operator, consumer):
    failed = end(consumer.generate()["task_id"], "failed")
    address = f"/admin/tasks/{failed.pk}/retry/"
    waiting = dict(re.findall(r'name="(form_id|seen)" value="([^"]*)"', operator.get(address).content.decode()))
    run = runs.begin(Action.RETRY, who="root", search_text="status:failed")
    runs.advance(run.pk)

    answer = operator.post(address, waiting, follow=True).content.decode()

    assert "It was retried meanwhile" in answer
    assert Task.objects.filter(retry_of=failed).count() == 1
    knowing = dict(re.findall(r'name="(form_id|seen)" value="([^"]*)"', operator.get(address).content.decode()))
    operator.post(address, knowing)
    assert Task.objects.filter(retry_of=failed).count() == 2


def test_a_retry_that_is_refused_says_why(operator, consumer):
    failed = end(consumer.generate()["task_id"], "failed")
    form = operator.get(f"/admin/tasks/{failed.pk}/retry/").content.decode()
    sent = {"form_id": re.search(r'name="form_id" value="([^"]*)"', form)[1]}
    consumer.key.enabled = False
    consumer.key.save(update_fields=["enabled"])

    answer = operator.post(f"/admin/tasks/{failed.pk}/retry/", sent, follow=True).content.decode()

    assert "The task&#x27;s key takes no new tasks." in answer
    assert not Task.objects.filter(retry_of=failed).exists()


def test_no_retry_is_offered_while_new_work_is_refused(operator, consumer):
    failed = end(consumer.generate()["task_id"], "failed")
    pauses.begin(who="root", kind="new_work", message="Back at noon.")

    form = operator.get(f"/admin/tasks/{failed.pk}/retry/").content.decode()

    assert "It cannot be retried: Back at noon." in form
    assert "form_id" not in form


def test_a_form_of_a_retry_that_cannot_be_read_does_nothing(operator, consumer):
    failed = end(consumer.generate()["task_id"], "failed")

    answer = operator.post(f"/admin/tasks/{failed.pk}/retry/", {"form_id": "x"}, follow=True)

    assert "Nothing was done" in answer.content.decode()
    assert Task.objects.count() == 1


def test_another_site_s_form_does_nothing(consumer, operator):
    task_id = consumer.generate()["task_id"]
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = operator.cookies

    assert careful.post(f"/admin/tasks/{task_id}/cancel/").status_code == 403
    assert Task.objects.get(pk=task_id).is_active


def test_the_video_and_prompt_of_a_task_are_deleted_after_a_question_by_who_may(page, consumer, driver, minimax, audits, operator):
    task_id = driver.finish(consumer.generate("a secret boat")["task_id"]).pk
    assert operator.get(f"/admin/tasks/{task_id}/delete-media/").status_code == 403
    assert f'href="/admin/tasks/{task_id}/delete-media/"' in page(f"tasks/{task_id}/")
    assert "can be retried no more" in words(page(f"tasks/{task_id}/delete-media/"))
    boss = get_user_model().objects.create_superuser("boss")
    client = Client()
    client.force_login(boss)

    done = client.post(f"/admin/tasks/{task_id}/delete-media/", follow=True).content.decode()

    assert "secret" not in done
    assert "Its video, prompt and metadata were deleted" in words(done)
    assert "<video" not in done
    assert f"/admin/tasks/{task_id}/delete-media/" not in done
    assert "its prompt was deleted" in page("tasks/")
    assert audits("delete media", f"task:{task_id}") == ["boss"]


def test_a_task_under_way_says_why_nothing_of_it_is_deleted(page, consumer):
    task_id = consumer.generate()["task_id"]

    assert "This task is queued: cancel it, or wait until it has ended." in page(f"tasks/{task_id}/delete-media/")
