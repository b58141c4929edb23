"""What the doctor asks of MiniMax's accounts, the storage and prices."""

import secrets
from collections.abc import Iterator

import requests
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from conduit.conditions import Severity
from conduit.doctor import Finding
from videos import orphans, storage_check
from videos.account_models import AccountState, ProviderAccount
from videos.accounts import rules
from videos.callbacks import addresses
from videos.margins import LOSSES, losses
from videos.storage import forget

ANSWER_SECONDS = 10.0
# MiniMax waits no longer.
CHALLENGE_SECONDS = 3.0


# Of a storage that hangs it is told after so long: the other questions wait meanwhile.
STORAGE_SECONDS = 20.0


def accounts_answer() -> Iterator[Finding]:
    """Each account that is not off is asked what costs nothing."""
    accounts = ProviderAccount.objects.exclude(state=AccountState.OFF).order_by("name")
    answers = 0
    for account in accounts:
        tested = rules.ask(account)
        answers += tested.fine
        says = f"{account.name}: {tested.words} ({tested.milliseconds} ms)"
        yield Finding(says) if tested.fine else Finding(says, Severity.DEGRADED, "See the account in the console, under Models.")
    if not answers:
        yield Finding("No account at MiniMax can be used.", Severity.UNAVAILABLE, "Set MINIMAX_API_KEY, or make an account in the console.")


def storage_works() -> Iterator[Finding]:
    """One file is written, read and deleted, and fetched by a link such as clients are given."""
    if trouble := storage_check.check_within(STORAGE_SECONDS):
        yield Finding(f"The storage fails: {trouble}", Severity.DEGRADED, storage_check.STORAGE.what_to_do)
        return
    if isinstance(default_storage, FileSystemStorage):
        yield Finding(f"Files are stored in {default_storage.location}: web and media processes must share it.")
        return
    yield Finding(f"The bucket {settings.S3_BUCKET} takes, gives and deletes a file.")
    yield from _is_public()


def nothing_is_orphaned() -> Iterator[Finding]:
    """What the last walk through the storage found."""
    walk = orphans.last_walk()
    if walk is None:
        yield Finding("No walk through the storage has come to its end yet.")
        return
    if walk.unknown:
        yield Finding(
            f"The storage holds files of {walk.unknown} tasks that the database does not know.",
            Severity.NOTICE,
            "They are left from before a restore, or another place's that stores there too. Only in the first case run "
            "`manage.py remove_orphans --unknown`.",
        )
        return
    yield Finding(
        f"The walk through the storage that ended at {walk.ended_at:%Y-%m-%d %H:%M} UTC removed {walk.removed} files that no row named."
    )


def _is_public() -> Iterator[Finding]:
    content = b"a file of the doctor's"
    name = default_storage.save(f"{storage_check.FOLDER}/doctor", ContentFile(content))
    try:
        answer = requests.get(default_storage.url(name), headers={"Origin": settings.PUBLIC_URL}, timeout=ANSWER_SECONDS)
    except requests.RequestException as error:
        yield Finding(
            f"Signed links to the bucket cannot be reached from here ({type(error).__name__}).",
            Severity.NOTICE,
            "See S3_PUBLIC_ENDPOINT_URL; from inside your network it may not be meant to be.",
        )
        return
    finally:
        forget(name)
    if answer.content != content:
        yield Finding(
            f"A signed link to the bucket answers {answer.status_code}.",
            Severity.DEGRADED,
            "See S3_PUBLIC_ENDPOINT_URL, S3_REGION and the keys' right to read.",
        )
        return
    yield Finding("Signed links to the bucket work.")
    if not answer.headers.get("Access-Control-Allow-Origin"):
        yield Finding(
            "The bucket lets no page fetch its files by script (CORS).",
            Severity.NOTICE,
            "A <video> needs none; set CORS rules of the bucket if pages of yours fetch().",
        )


def callbacks_reach_us() -> Iterator[Finding]:
    """A challenge such as MiniMax sends before it takes an order, over the address that it would call; of no order, so that it does
    nothing."""
    if not addresses.are_wanted():
        yield Finding("MiniMax is not asked to call back (MINIMAX_CALLBACKS): jobs are asked for.")
        return
    challenge = secrets.token_hex(8)
    what_to_do = "See PUBLIC_URL and that the proxy passes on /callbacks/. Without callbacks jobs are asked for more often."
    try:
        answer = requests.post(addresses.url_of_nothing(), json={"challenge": challenge}, timeout=CHALLENGE_SECONDS, allow_redirects=False)
        came_back = answer.status_code == requests.codes.ok and answer.json() == {"challenge": challenge}
    except (requests.RequestException, ValueError) as error:
        yield Finding(f"Callbacks do not reach us from here ({type(error).__name__}).", Severity.NOTICE, what_to_do)
        return
    if came_back:
        yield Finding("Callbacks reach us.")
    else:
        yield Finding(f"A callback is answered {answer.status_code}, which is not ours.", Severity.NOTICE, what_to_do)


def prices_cover_costs() -> Iterator[Finding]:
    found = losses()
    for name, sentence in found.items():
        yield Finding(f"{name}: {sentence}", Severity.NOTICE, LOSSES.what_to_do)
    if not found:
        yield Finding("Every model on offer is priced above what MiniMax bills for it.")
