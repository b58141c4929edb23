"""What OpenAI's clients send to make a video, read as a request of ours."""

from collections.abc import Mapping
from dataclasses import replace
from typing import IO, Any

from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser

from conduit.api.errors import InvalidRequest
from conduit.api.fields import OneOfField, SecondsField, StrictSerializer, TextField
from tasks.models import Task
from tasks.notifications import event_types
from tasks.notifications.fields import TaskEventTypesField, UrlField, webhook_of
from videos.models import Resolution
from videos.requests import DURATION_MAX, GenerationRequest

# What this wire means where a client says nothing; its own default model is no model of ours.
MODEL_DEFAULT = "minimax-video"
SECONDS_DEFAULT = 4
SIZE_DEFAULT = Resolution.R720X1280

_REFERENCE = "input_reference"


class MultipartParser(BaseParser):
    """The fields of a multipart form, as an object of strings. No file is taken."""

    media_type = "multipart/form-data"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        parsed: DataAndFiles[Any, Any] = MultiPartParser().parse(stream, media_type, dict(parser_context or {}))
        for name in parsed.files:
            raise _no_reference() if _is_reference(name) else InvalidRequest(f"`{_shown(name)}` must not be a file.", param=_shown(name))
        for name, values in parsed.data.lists():
            if len(values) > 1:
                raise InvalidRequest(f"`{_shown(name)}` is there twice in the form: give it once.", param=_shown(name))
        return dict(parsed.data.items())


class _Fields(StrictSerializer):
    """With a message of its own for what OpenAI's models took beside text."""

    null_is_left_out = True

    def to_internal_value(self, data: Any) -> Any:
        if any(_is_reference(name) and value is not None for name, value in data.items()):
            raise _no_reference()
        return super().to_internal_value({name: value for name, value in data.items() if value is not None and not _is_reference(name)})


class _Hooked(_Fields):
    """Both are ours: OpenAI knows no webhooks of one video."""

    webhook_url = UrlField(required=False)
    webhook_events = TaskEventTypesField(required=False)


class CreateFields(_Hooked):
    model = TextField(default=MODEL_DEFAULT)
    prompt = TextField()
    seconds = SecondsField(least=1, most=DURATION_MAX, default=SECONDS_DEFAULT)
    size = OneOfField(Resolution.values, default=SIZE_DEFAULT)


class RemixFields(_Hooked):
    prompt = TextField()


def create_request(data: Any) -> GenerationRequest:
    """The request that a body of `POST /v1/videos` is.

    Raises:
        ValidationError, InvalidRequest: naming the first parameter at fault.
    """
    found = CreateFields().run_validation(data)
    return _request(found, found["model"], found["seconds"], found["size"])


def remix_request(data: Any, original: Task) -> GenerationRequest:
    """The same of a remix: all but the prompt is the original's."""
    found = RemixFields().run_validation(data)
    video = original.video
    return _request(found, original.model, video.duration, video.resolution)


def _request(found: Mapping[str, Any], model: str, seconds: int, size: str) -> GenerationRequest:
    wanted = GenerationRequest.parse({"model": model, "prompt": found["prompt"], "duration": seconds, "resolution": size})
    return replace(wanted, webhook=webhook_of(found, unless_said=event_types.OF_VIDEOS))


def _is_reference(name: str) -> bool:
    """Clients write its parts as `input_reference[image_url]`, too."""
    return name.partition("[")[0] == _REFERENCE


def _no_reference() -> InvalidRequest:
    return InvalidRequest("`input_reference` is not supported: videos are made from a prompt alone.", param=_REFERENCE)


def _shown(name: str) -> str:
    return name[:60].encode("utf-8", "backslashreplace").decode()
