"""Links from MiniMax may say anything: they lead to public addresses, or to what an operator allowed."""

import pytest

from conduit.outbound.addresses import Allowed
from tests.support.certificates import server_context
from tests.support.clients import MAX_CLIP_BYTES, client_of
from tests.support.lookalike import Answer, LookAlike, make_mp4
from videos.minimax.client import CallLimits, Client
from videos.minimax.errors import MiniMaxError, Outcome
from videos.minimax.images import Images
from videos.minimax.provider import Order
from videos.minimax.v1 import MiniMaxV1

INSIDE = [
    "127.0.0.1",
    "169.254.169.254",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "2130706433",
    "0177.0.0.1",
    "0x7f000001",
    "localhost",
    "10.1.2.3",
    "100.64.0.1",
    "224.0.0.1",
]


def link_of(minimax: LookAlike) -> str:
    return minimax.link(minimax.make_job({"model": "video-01", "prompt": "a cat"}))


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


def allowing(minimax: LookAlike, allowed: str) -> Client:
    return Client(minimax.url, minimax.key, CallLimits(2.0, 5.0, 20.0), Allowed.parse(allowed))


def failure(client: MiniMaxV1 | Images, url: str) -> MiniMaxError:
    with pytest.raises(MiniMaxError) as caught:
        with client.download(url, expected_size=None) if isinstance(client, MiniMaxV1) else client.download(url) as file:
            file.read()
    return caught.value


def test_without_being_allowed_a_look_alike_on_loopback_is_refused_for_calls_and_links(minimax, caplog):
    client = MiniMaxV1(allowing(minimax, ""), max_clip_bytes=MAX_CLIP_BYTES)
    with pytest.raises(MiniMaxError) as caught:
        client.create(Order("video-01", "a cat"))
    assert (caught.value.outcome, caught.value.code) == (Outcome.OPERATOR, "provider_auth")
    assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN
    assert minimax.requests == []
    assert [record.msg["event"] for record in caplog.records] == ["minimax_address_refused", "minimax_link_refused"]
    assert all("OUTBOUND_ALLOWED does not list it" in record.msg["why"] for record in caplog.records)


def test_one_port_that_is_allowed_opens_no_other(minimax):
    client = MiniMaxV1(allowing(minimax, f"127.0.0.1:{port_of(minimax.url)}"), max_clip_bytes=MAX_CLIP_BYTES)
    client.create(Order("video-01", "a cat"))
    assert failure(client, client.locate(minimax.jobs[0].file_id).url).outcome is Outcome.AGAIN
    assert minimax.calls("download") == []


@pytest.mark.parametrize("host", INSIDE)
def test_a_link_to_an_address_inside_is_not_followed(minimax, host, caplog):
    """To where the look-alike's files are, where that is loopback by another name: if it were followed, it would be answered."""
    link = link_of(minimax).replace("127.0.0.1", host)
    client = allowing(minimax, "127.0.0.2:*")
    for one in (MiniMaxV1(client, max_clip_bytes=MAX_CLIP_BYTES), Images(client)):
        assert failure(one, link).outcome is Outcome.AGAIN
    assert minimax.requests == []
    assert link.partition("?")[2] not in caplog.text


@pytest.mark.parametrize(
    "host", [host for host in INSIDE if host not in ("127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f000001")]
)
def test_each_redirect_is_checked_anew(minimax, host):
    client = MiniMaxV1(allowing(minimax, "127.0.0.1:*"), max_clip_bytes=MAX_CLIP_BYTES)
    minimax.next("download", Answer(302, body=b"", headers={"Location": f"http://{host}/latest/meta-data"}))
    assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN
    assert len(minimax.calls("download")) == 1


def test_a_redirect_to_another_port_inside_is_refused(minimax):
    files = port_of(minimax.files_url)
    client = MiniMaxV1(allowing(minimax, f"127.0.0.1:{files}"), max_clip_bytes=MAX_CLIP_BYTES)
    for place in (f"{minimax.url}/v1/files/retrieve?file_id=1", f"http://user:password@127.0.0.1:{files}/clip.mp4"):
        minimax.next("download", Answer(302, body=b"", headers={"Location": place}))
        assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN
    assert {request.call for request in minimax.requests} == {"download"}
    assert len(minimax.requests) == 2


def test_where_the_api_is_https_its_links_and_their_redirects_are_too(tmp_path, monkeypatch, caplog):
    context, bundle = server_context(tmp_path, "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with LookAlike(tls=context, video=lambda job: make_mp4()) as minimax, LookAlike() as plain:
        client = client_of(minimax)
        assert failure(client, link_of(plain)).outcome is Outcome.AGAIN
        minimax.next("download", Answer(302, body=b"", headers={"Location": link_of(plain)}))
        assert failure(client, link_of(minimax)).outcome is Outcome.AGAIN
        assert plain.requests == []
        assert [record.msg["why"] for record in caplog.records if record.msg["event"] == "minimax_link_refused"] == [
            "http is not https"
        ] * 2
        with client.download(link_of(minimax), expected_size=None) as clip:
            assert clip.read() == make_mp4()
