"""The call that would make a task again, for a shell."""

import json

from django.conf import settings

from tasks.models import Task


def curl_of(task: Task) -> str:
    """As a consumer writes it, with `$CONDUIT_KEY` in place of the secret, which nobody knows.

    Whatever the prompt holds, it stands between single quotes as ASCII: what a shell or a terminal could take for its own is escaped
    as JSON does.
    """
    video = task.video
    wanted = {
        "model": task.model,
        "prompt": video.prompt,
        "duration": video.duration,
        "resolution": video.resolution,
        "aspect_ratio": video.aspect_ratio,
    } | ({"metadata": task.metadata} if task.metadata else {})
    if video.prompt_optimizer is not None:
        wanted["prompt_optimizer"] = video.prompt_optimizer
    body = json.dumps(wanted).replace("'", "\\u0027")
    return (
        f"curl -X POST {settings.PUBLIC_URL}/v1/video/generations \\\n"
        '  -H "Authorization: Bearer $CONDUIT_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  --data-raw '{body}'"
    )
