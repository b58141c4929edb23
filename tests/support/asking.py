"""A round of questions in the test's own process: claimed, asked one after the other, and settled, as videos.asking.worker does it."""

from videos import engine
from videos.asking import rounds, rows
from videos.asking.accounts import Accounts
from videos.asking.askers import Answer, ask


def a_round(limit: int = 200) -> list[Answer]:
    """Ask what is due, and write what comes of it; the answers."""
    questions, others = rows.claim(limit=limit, busy_accounts=())
    for lease in others:
        engine.go_on(lease)
    accounts = Accounts()
    accounts.refresh()
    answers = [ask(question, accounts.of(question)) for question in questions]
    for answer in rounds.settle(answers):
        rounds.tell(answer)
    return answers
