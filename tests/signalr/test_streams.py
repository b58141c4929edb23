"""Streams from the server, as Microsoft's client sees them over each transport and protocol."""

from collections.abc import Callable

import pytest

from tests.signalr.client import Client, ClientError
from tests.signalr.servers import Service
from tests.signalr.wires import Wire, until


def test_a_stream_brings_its_items_in_order_and_completes(client: Client) -> None:
    items, end = client.items(client.stream("Count", 50))
    assert items == list(range(50))
    assert end["event"] == "complete"


def test_a_stream_of_nothing_completes(client: Client) -> None:
    items, end = client.items(client.stream("Count", 0))
    assert (items, end["event"]) == ([], "complete")


def test_a_stream_that_refuses_midway_says_why_after_its_items(client: Client) -> None:
    items, end = client.items(client.stream("CountThenRefuse", 3))
    assert items == [0, 1, 2]
    assert end["error"] == "An error occurred on the server while streaming results. HubException: no more numbers"


def test_a_stream_that_crashes_midway_tells_nothing(client: Client) -> None:
    items, end = client.items(client.stream("CountThenCrash", 3))
    assert items == [0, 1, 2]
    assert end["error"] == "An error occurred on the server while streaming results."
    assert client.invoke("Add", 1, 2) == 3


def test_a_cancelled_stream_ends_on_the_server(client: Client) -> None:
    stream = client.stream("CountForever", 0.01)
    client.next("item", stream=stream)
    client.cancel(stream)
    until(lambda: client.invoke("Cancelled") == 1)


def test_a_stream_lets_calls_pass(client: Client) -> None:
    stream = client.stream("CountForever", 0.01)
    client.next("item", stream=stream)
    assert client.invoke("Add", 1, 2) == 3
    client.cancel(stream)


def test_streams_run_side_by_side(client: Client) -> None:
    streams = [client.stream("Count", 10, 0.005) for _ in range(5)]
    assert [client.items(stream)[0] for stream in streams] == [list(range(10))] * 5


def test_a_streaming_method_cannot_be_invoked(client: Client) -> None:
    with pytest.raises(ClientError) as refused:
        client.invoke("Count", 3)
    assert str(refused.value) == "The client attempted to invoke the streaming 'Count' method with a non-streaming invocation."


def test_a_plain_method_cannot_be_streamed(client: Client) -> None:
    items, end = client.items(client.stream("Add", 1, 2))
    assert items == []
    assert end["error"] == "The client attempted to invoke the non-streaming 'Add' method with a streaming invocation."


def test_an_unknown_stream_is_refused_by_name(client: Client) -> None:
    error = client.items(client.stream("Nonsense"))[1]["error"]
    assert error == "Failed to invoke 'Nonsense' due to an error on the server. HubException: Method does not exist."


def test_arguments_that_do_not_fit_a_stream_are_refused_without_detail(client: Client) -> None:
    _, end = client.items(client.stream("Count", "many"))
    assert end["error"] == "Failed to invoke 'Count' due to an error on the server."


def test_streams_end_with_their_connection(two: Service, wire: Wire, call: Callable[..., Client]) -> None:
    client = call(two, wire)
    stream = client.stream("CountForever", 0.01)
    client.next("item", stream=stream)
    client.send("Leave", "enough", False)
    assert client.closed() == "Server returned an error on close: enough"
    assert client.next("failed", stream=stream)["error"]
