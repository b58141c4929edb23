"""Receivers of webhooks as people write them, run by an environment of their own: `verifier.py LIBRARY < cases`.

Reads a list of {secret, headers, body} and prints for each what the library says of it: the type of the event, or null for one that it
refuses. Nothing of ours is imported.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any


def standardwebhooks(secret: str, headers: Mapping[str, str], body: str) -> Any:
    from standardwebhooks import Webhook

    return Webhook(secret).verify(body, dict(headers))


def svix(secret: str, headers: Mapping[str, str], body: str) -> Any:
    from svix.webhooks import Webhook

    Webhook(secret).verify(body, dict(headers))  # it raises, and reads nothing
    return json.loads(body)


def openai(secret: str, headers: Mapping[str, str], body: str) -> Any:
    import openai

    event: Any = openai.OpenAI(api_key="none").webhooks.unwrap(body, headers, secret=secret)
    data = event.data if isinstance(event.data, dict) else event.data.model_dump()
    return {"type": event.type, "data": data}


LIBRARIES: dict[str, Callable[[str, Mapping[str, str], str], Any]] = {"standardwebhooks": standardwebhooks, "svix": svix, "openai": openai}


def main(library: str) -> None:
    said = []
    for case in json.load(sys.stdin):
        try:
            event = LIBRARIES[library](case["secret"], case["headers"], case["body"])
            said.append([event["type"], event["data"]["id"]])
        except ImportError:
            raise
        except Exception as error:  # noqa: BLE001 - each library has its own
            said.append(type(error).__name__)
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
