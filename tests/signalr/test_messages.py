"""Invocations and messages, as Microsoft's client sees them over each transport and protocol."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.signalr.client import PATIENCE, Client, ClientError
from tests.signalr.servers import Service
from tests.signalr.wires import DETAIL, Wire, framed, until

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**53 - 1,
    -(2**53) + 1,
    1.5,
    -2.5e-7,
    "",
    "plain",
    'kanji 漢字, emoji 🎬, a quote " and a backslash \\',
    "lines\nbreak\r\nand \u2028 and tabs\t",
    "the record separator \x1e is only text here",
    "\x00\x01\x7f",
    [],
    {},
    [1, [2, [3, [None]]]],
    {"a": {"b": [{"c": "d"}]}, "": 1, "漢": True},
]


@pytest.fixture(params=["one", "two"])
def anywhere(request: pytest.FixtureRequest) -> Service:
    """The same of one process and of two."""
    service: Service = request.getfixturevalue(request.param)
    return service


def test_every_value_comes_back_as_it_went(anywhere: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(anywhere, wire)
    assert [client.invoke("Echo", value) for value in VALUES] == VALUES


def test_a_message_sent_while_connecting_arrives_after_the_handshake(anywhere: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(anywhere, wire)
    assert client.message("Welcome") == [client.state()["id"]] == [client.invoke("WhoAmI")["id"]]


def test_a_refusal_meant_for_people_reaches_them_word_for_word(anywhere: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(anywhere, wire)
    with pytest.raises(ClientError) as refused:
        client.invoke("Refuse", "the price is 0.20 USD")
    assert str(refused.value) == "An unexpected error occurred invoking 'Refuse' on the server. HubException: the price is 0.20 USD"
    assert client.invoke("Add", 1, 2) == 3


def test_a_crash_tells_nothing_and_the_connection_lives(anywhere: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(anywhere, wire)
    with pytest.raises(ClientError) as crashed:
        client.invoke("Crash")
    assert str(crashed.value) == "An unexpected error occurred invoking 'Crash' on the server."
    assert client.invoke("Add", 1, 2) == 3


def test_a_crash_is_told_in_detail_where_that_was_asked_for(make_service: Callable[..., Service], call: Callable[..., Client]) -> None:
    client = call(make_service(detailed_errors=True), Wire("WebSockets", "json"))
    told = []
    for method, arguments in (("Crash", []), ("Add", ["one", 2])):
        with pytest.raises(ClientError) as failed:
            client.invoke(method, *arguments)
        told.append(str(failed.value))
    assert told == [
        f"An unexpected error occurred invoking 'Crash' on the server. RuntimeError: {DETAIL}",
        "Failed to invoke 'Add' due to an error on the server. Unfit: `left` is not what is asked for.",
    ]


def test_a_broadcast_reaches_those_that_other_processes_hold(two: Service, wire: Wire, call: Callable[..., Client]) -> None:
    clients = [call(two, wire) for _ in range(4)]
    for client in clients:
        client.message("Welcome")
    clients[0].invoke("Broadcast", {"n": 1})
    assert [client.message("Broadcasted") for client in clients] == [[{"n": 1}]] * 4


@pytest.mark.parametrize("method", ["Nonsense", "", "hidden", "on_connected", "on_disconnected", "connection", "__init__", "x" * 300])
def test_what_is_no_method_cannot_be_called(two: Service, call: Callable[..., Client], method: str) -> None:
    client = call(two, Wire("WebSockets", "json"))
    with pytest.raises(ClientError) as unknown:
        client.invoke(method)
    assert str(unknown.value) == f"Failed to invoke '{method}' due to an error on the server. HubException: Method does not exist."


def test_an_unknown_method_is_an_answer_and_not_the_end(client: Client) -> None:
    with pytest.raises(
        ClientError, match=r"^Failed to invoke 'Nonsense' due to an error on the server\. HubException: Method does not exist\.$"
    ):
        client.invoke("Nonsense", 1)
    assert client.invoke("Add", 1, 2) == 3


@pytest.mark.parametrize("method", ["echo", "ECHO"])
def test_methods_are_found_in_any_letter_case_as_in_aspnet(two: Service, call: Callable[..., Client], method: str) -> None:
    assert call(two, Wire("WebSockets", "json")).invoke(method, "x") == "x"


@pytest.mark.parametrize("arguments", [[], [1], [1, 2, 3], ["one", 2], [1.5, 2], [None, 2], [[1], 2], [True, 2]], ids=repr)
def test_arguments_that_do_not_fit_are_refused_without_detail(two: Service, call: Callable[..., Client], arguments: list[Any]) -> None:
    client = call(two, Wire("WebSockets", "messagepack"))
    with pytest.raises(ClientError) as refused:
        client.invoke("Add", *arguments)
    assert str(refused.value) == "Failed to invoke 'Add' due to an error on the server."


def test_arguments_of_the_wrong_number_or_type_are_an_answer_and_not_the_end(client: Client) -> None:
    for arguments in ([1], ["one", 2]):
        with pytest.raises(ClientError, match=r"^Failed to invoke 'Add' due to an error on the server\.$"):
            client.invoke("Add", *arguments)
    assert client.invoke("Add", 1, 2) == 3


def test_arguments_reach_the_method_in_the_types_that_it_asks_for(client: Client) -> None:
    described = client.invoke("Describe", "cat", 2, True, ["a", "b"], {"x": None}, None)
    assert described == {"name": "cat", "size": 2.0, "isNew": True, "tags": ["a", "b"], "facts": {"x": None}, "note": None}


def test_a_method_without_a_result_resolves(client: Client) -> None:
    assert client.invoke("Nothing") is None


def test_a_result_that_cannot_be_sent_is_a_failure_without_detail(client: Client) -> None:
    with pytest.raises(ClientError) as failed:
        client.invoke("Unsendable")
    assert str(failed.value) in {
        "An unexpected error occurred invoking 'Unsendable' on the server.",
        "Failed to invoke 'Unsendable' due to an error on the server.",
    }
    assert client.invoke("Add", 1, 2) == 3


def test_a_call_without_an_answer_still_happens(client: Client) -> None:
    client.send("SendMe", "hello")
    assert client.message("Sent") == ["hello"]


def test_a_call_without_an_answer_that_fails_goes_by_in_silence(client: Client) -> None:
    client.send("Nonsense")
    client.send("Crash")
    client.send("Add", "one")
    assert client.invoke("Add", 1, 2) == 3


def test_calls_of_one_connection_run_one_after_the_other(client: Client) -> None:
    slow = client.begin_invoke("Slow", 0.2)
    assert client.invoke("Add", 1, 2) == 3
    assert slow.done()


def test_a_hundred_calls_at_once_are_each_answered_with_their_own(client: Client) -> None:
    answers = [client.begin_invoke("Echo", number) for number in range(100)]
    assert [answer.result(PATIENCE) for answer in answers] == list(range(100))


def test_messages_arrive_in_the_order_they_were_sent(client: Client) -> None:
    client.invoke("Flood", 300, 10)
    assert [number for number, _ in client.messages("Flooded", 300)] == list(range(300))


def test_a_message_near_the_size_limit_is_taken(client: Client) -> None:
    text = "x" * (32 * 1024 - 200)
    assert client.invoke("Echo", text) == text


def test_a_message_over_the_size_limit_ends_the_connection(client: Client) -> None:
    over = client.begin_invoke("Echo", "x" * (32 * 1024 + 1))
    client.closed()
    with pytest.raises(ClientError):
        over.result(PATIENCE)


def test_a_message_to_the_client_may_be_larger_than_one_from_it(client: Client) -> None:
    client.invoke("Flood", 1, 200_000)
    assert client.message("Flooded") == [0, "x" * 200_000]


def test_bytes_come_back_as_bytes_over_messagepack(two: Service, call: Callable[..., Client]) -> None:
    data = bytes(range(256))
    for transport in ("WebSockets", "LongPolling"):
        assert call(two, Wire(transport, "messagepack")).invoke("Echo", data) == data


def test_of_many_steps_of_progress_the_newest_is_what_counts(client: Client) -> None:
    client.invoke("Progress", 50)
    seen = [0]
    while seen[-1] != 50:
        seen.append(client.message("Progressed")[0])
    assert seen == sorted(set(seen))


def test_a_stream_from_the_client_reaches_the_method_that_asks_for_one(client: Client) -> None:
    assert client.upload("Sum", 1, 2, 3) == 6


def test_a_stream_from_the_client_to_a_method_that_asks_for_none_is_refused(client: Client) -> None:
    with pytest.raises(ClientError, match="'Echo'"):
        client.upload("Echo", 1, 2, 3)
    assert client.invoke("Add", 1, 2) == 3


def test_an_answer_that_nobody_asked_for_is_ignored(client: Client, wire: Wire) -> None:
    # Completion of invocation "77", without a result.
    client.raw(framed(b"\x94\x03\x80\xa2\x37\x37\x02") if wire.is_binary else '{"type":3,"invocationId":"77"}\x1e')
    assert client.invoke("Add", 1, 2) == 3


def test_cancelling_what_does_not_run_is_ignored(client: Client, wire: Wire) -> None:
    client.raw(framed(b"\x93\x05\x80\xa2\x37\x37") if wire.is_binary else '{"type":5,"invocationId":"77"}\x1e')
    assert client.invoke("Add", 1, 2) == 3


def test_a_kind_of_message_that_a_later_protocol_may_add_is_ignored(client: Client, wire: Wire) -> None:
    client.raw(framed(b"\x91\x63") if wire.is_binary else '{"type":99}\x1e')
    assert client.invoke("Add", 1, 2) == 3


@pytest.mark.parametrize(
    ("text", "binary"),
    [
        pytest.param("nonsense\x1e", b"\xc1", id="not-the-protocol"),
        pytest.param("[1]\x1e", b"\xa1x", id="not-a-message"),
        pytest.param('{"type":1,"arguments":[]}\x1e', b"\x92\x01\x80", id="without-a-target"),
        pytest.param('{"type":"1","target":"Echo","arguments":[]}\x1e', b"\x91\xa11", id="type-of-another-type"),
        pytest.param('{"type":1,"target":"Echo","arguments":7}\x1e', b"\x95\x01\x80\xc0\xa4Echo\x07", id="arguments-that-are-none"),
        pytest.param("\x1e", b"", id="empty"),
        pytest.param("[" * 5000 + "]" * 5000 + "\x1e", b"\x91" * 5000 + b"\x01", id="very-deep"),
    ],
)
def test_a_broken_frame_ends_the_connection_with_an_error(client: Client, wire: Wire, text: str, binary: bytes) -> None:
    client.raw(framed(binary) if wire.is_binary else text)
    error = client.closed()
    assert error is not None
    assert "Server returned an error on close" in error


def test_a_connection_that_its_client_ends_is_told_to_the_hub_once(two: Service, wire: Wire, call: Callable[..., Client]) -> None:
    leaving = call(two, wire, token=f"secret-leaving-{wire.short}")
    name = leaving.invoke("WhoAmI")["id"]
    leaving.stop()
    assert leaving.closed() is None
    watching = call(two, Wire("WebSockets", "json"))
    until(lambda: watching.invoke("Left", f"leaving-{wire.short}") != [])
    assert watching.invoke("Left", f"leaving-{wire.short}").count(name) == 1


def test_a_connection_that_the_hub_ends_says_why(client: Client) -> None:
    client.send("Leave", "the key was disabled", False)
    assert client.closed() == "Server returned an error on close: the key was disabled"


def test_a_connection_that_the_hub_ends_without_an_error_closes_without_one(client: Client) -> None:
    client.send("Leave", None, False)
    assert client.closed() is None


def test_a_plain_close_is_final_for_a_client_that_would_reconnect(two: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(two, wire, reconnect=[0, 0, 0])
    client.send("Leave", "the key was disabled", False)
    assert client.closed() == "Server returned an error on close: the key was disabled"
    assert client.taken("reconnecting") == []


def test_a_close_that_allows_it_makes_the_client_come_back_as_somebody_new(two: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(two, wire, reconnect=[0, 0, 0])
    before = client.invoke("WhoAmI")["id"]
    client.send("Leave", None, True)
    client.next("reconnecting")
    assert client.next("reconnected")["id"] != before
    assert client.invoke("WhoAmI")["id"] != before
