"""Of `videos.downloads`: the links of a result."""

from conduit.api.errors import Forbidden
from conduit.api.openapi.operations import Answer, Operation, describe, header, query
from conduit.api.openapi.problems import problem
from conduit.api.openapi.shapes import Shape, text, word
from conduit.api.openapi.story import tag
from videos.downloads import RangeNotSatisfiable

tag("Files", "What the links of a result lead to.", order=27)

problem(
    Forbidden,
    "The link has ended: read the task for a fresh one.",
    "This link is no longer valid. Read the task to get a new one.",
    code="link_expired",
)
problem(
    Forbidden,
    "The link is none of ours, or not whole.",
    "This link is not one of ours, or a part of it is missing. Read the task to get a new one.",
    code="invalid_link",
)
problem(RangeNotSatisfiable, "The file is shorter than the range that was asked for.", "The file has 623104 bytes.")

FILE: Shape = {"type": "string", "format": "binary", "description": "The file's bytes.", "examples": ["…"]}
RANGE = header("Range", text("A part of the file: one range of bytes.", "bytes=0-65535"))
HEADERS: dict[str, Shape] = {
    "ETag": text("The file's version: it never changes.", '"9c1e7d3a"'),
    "Accept-Ranges": text("That parts can be asked for.", "bytes"),
    "Cache-Control": text("How long it may be kept.", "private, max-age=3600"),
    "Content-Disposition": text("Its name as a download.", 'attachment; filename="video.mp4"'),
}
PART = Answer(
    "A part of the file.",
    FILE,
    kind="video/mp4",
    headers=HEADERS | {"Content-Range": text("Which part.", "bytes 0-65535/623104")},
    others={"image/jpeg": {"schema": FILE, "example": "…"}},
)
WHOLE = Answer("The file.", FILE, kind="video/mp4", headers=HEADERS, others={"image/jpeg": {"schema": FILE, "example": "…"}})
ELSEWHERE = Answer("Where the results are on S3: the file is there.", headers={"Location": text("A link that S3 signed for.", "https://…")})

describe(
    "GET /media/{task_id}/{name}",
    Operation(
        tag="Files",
        summary="Fetch a file of a result",
        about="The links of `result`, as they are: signed, and without a key. HEAD and one range of bytes work.",
        path={"name": word("Which file.", ("video.mp4", "thumbnail.jpg"))},
        query=(
            query("expires", text("When the link ends; a part of it.", "1801396800"), required=True),
            query("signature", text("A part of the link.", "3q2-7w…"), required=True),
            query("inline", word("`1`: a browser plays it in the tab instead of downloading it.", ("1",))),
        ),
        headers=(RANGE,),
        answers={200: WHOLE, 206: PART, 302: ELSEWHERE, 304: Answer("It is still what you have.", headers=HEADERS)},
        errors=("link_expired", "invalid_link", "not_found", "media_deleted", "range_not_satisfiable"),
    ),
)
