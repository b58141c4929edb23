"""Client tokens, for tests of what they open."""

from typing import Any

from tests.conftest import Consumer


def with_token(consumer: Consumer, **asked: Any) -> Consumer:
    """Somebody who has a client token that was made with the consumer's key."""
    answer = consumer.post("/v1/client_tokens", asked)
    assert answer.status_code == 201, answer.content
    return Consumer(consumer.key, answer.json()["token"])
