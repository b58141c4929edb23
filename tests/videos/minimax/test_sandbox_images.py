"""The sandbox's image-01: real JPEGs, as links or in base64, with faults of their own."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
import requests

from tests.support.clients import http_client
from tests.videos.minimax.sandbox_driver import BEARER, KEY, Driver, driven
from videos.minimax.images import Images
from videos.minimax.sandbox.pictures import open_image


def post(driver: Driver, **fields: Any) -> requests.Response:
    wanted = {"model": "image-01", "prompt": "a cat"} | fields
    return driver.http.post(f"{driver.sandbox.url}/v1/image_generation", json=wanted, headers=BEARER, timeout=60)


def code(response: requests.Response) -> int:
    return int(response.json()["base_resp"]["status_code"])


@pytest.mark.parametrize(("ratio", "size"), [("16:9", (1280, 720)), ("9:16", (720, 1280)), ("4:3", (1152, 864)), ("3:2", (1248, 832))])
def test_an_image_is_a_jpeg_of_its_ratio_that_is_downloaded_without_a_bearer(tmp_path: Path, ratio: str, size: tuple[int, int]) -> None:
    with driven(tmp_path, clip_scale=1) as driver:
        answer = post(driver, aspect_ratio=ratio).json()
        assert (answer["metadata"]["success_count"], code(post(driver))) == ("1", 0)
        response = driver.download(answer["data"]["image_urls"][0])
        assert requests.get(answer["data"]["image_urls"][0], headers=BEARER, timeout=60).status_code == 400
    assert response.headers["Content-Type"] == "image/jpeg"
    picture = open_image(response.content)
    assert (picture.width, picture.height) == size


def test_several_images_differ_and_base64_holds_the_same_as_the_links(driver: Driver) -> None:
    links = post(driver, n=3).json()["data"]["image_urls"]
    held = post(driver, n=3, response_format="base64").json()["data"]["image_base64"]
    contents = [driver.download(link).content for link in links]
    assert [base64.b64decode(text) for text in held] == contents
    assert len(set(contents)) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "image-02"},
        {"prompt": ""},
        {"prompt": "x" * 1501},
        {"aspect_ratio": "5:4"},
        {"aspect_ratio": ["16:9"]},
        {"n": 0},
        {"n": 10},
        {"n": "1"},
        {"n": True},
        {"response_format": "file"},
        {"prompt_optimizer": 1},
        {"prompt": "a cat [sandbox: image explode]"},
    ],
)
def test_what_is_not_offered_is_refused_and_not_billed(driver: Driver, fields: dict[str, Any]) -> None:
    before = len(driver.sandbox.bill()["lines"])
    assert code(post(driver, **fields)) == 2013
    assert len(driver.sandbox.bill()["lines"]) == before


def test_a_missing_key_and_a_forbidden_prompt_are_refused(driver: Driver) -> None:
    assert code(requests.post(f"{driver.sandbox.url}/v1/image_generation", json={}, timeout=60)) == 1004
    assert code(post(driver, prompt="forbidden-by-minimax")) == 1026


def test_faults_of_an_image_strike_the_image_and_not_the_clip(driver: Driver) -> None:
    prompt = "both [sandbox: image status=1002; create status=1000; download-image cut; download cut]"
    assert [code(post(driver, prompt=prompt)) for _ in range(2)] == [1002, 0]
    assert [driver.create(prompt)["base_resp"]["status_code"] for _ in range(2)] == [1000, 0]
    link = post(driver, prompt="image only [sandbox: download-image cut]").json()["data"]["image_urls"][0]
    with pytest.raises(requests.ConnectionError):
        driver.download(link)
    assert driver.download(link).status_code == 200


def test_a_lost_image_is_billed_and_a_withheld_one_is_not(driver: Driver) -> None:
    before = len(driver.sandbox.bill()["lines"])
    assert post(driver, prompt="hm [sandbox: withheld]").json()["metadata"] == {"success_count": "0", "failed_count": "1"}
    assert len(driver.sandbox.bill()["lines"]) == before
    with pytest.raises(requests.ConnectionError):
        post(driver, prompt="gone [sandbox: image lost]")
    assert len(driver.sandbox.bill()["lines"]) == before + 1


def test_images_and_struck_faults_outlive_a_restart(tmp_path: Path) -> None:
    prompt = "kept [sandbox: image status=1002 times=2]"
    with driven(tmp_path) as driver:
        clock, port = driver.clock, int(driver.sandbox.url.rpartition(":")[2])
        link = post(driver).json()["data"]["image_urls"][0]
        content = driver.download(link).content
        assert code(post(driver, prompt=prompt)) == 1002
    with driven(tmp_path, clock=clock, port=port) as driver:
        assert driver.download(link).content == content
        assert [code(post(driver, prompt=prompt)) for _ in range(2)] == [1002, 0]


def test_our_client_makes_and_fetches_an_image(driver: Driver) -> None:
    images = Images(http_client(driver.sandbox.url, KEY))
    with images.open(images.create(prompt="a cat", aspect_ratio="9:16")) as file:
        content = file.read()
    with av.open(BytesIO(content)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
