"""A MiniMax look-alike that speaks V1 over real HTTP on the loopback, for the demo, for tests and for the curious.

It stands in for somebody else's server, so it knows nothing of Conduit. It needs no network, keeps its jobs over a
restart, and makes true H.264 videos. `POST /v1/video_generation`, `GET /v1/query/video_generation` and
`GET /v1/files/retrieve` are MiniMax's; links to videos are under `/download/`. Callbacks are not offered.

Faults can be scripted through two doors that share one grammar.

**In a prompt**, so that anybody can see one: `a cat [sandbox: create status=1002 times=2; download cut]`.

    [sandbox: DIRECTIVE; DIRECTIVE; ...]      DIRECTIVE is  [CALL] FAULT[=VALUE] [times=N|times=always]

CALL is `create`, `query`, `retrieve` or `download`; left out, it is the first one named below. A fault strikes once
unless `times` says otherwise, counted for each job (for a create: until one with this prompt is accepted), also over
a restart. Of several faults of a call one strikes at a time, in the order written, those of the prompt before those
that were ordered. What is not understood is
answered with 2013, and its status_msg (a line of the worker's log) says what would be right.

    status=CODE     create, query, retrieve            that base_resp code inside HTTP 200; a create makes no job
    rate-limit      create, query, retrieve            status=1002
    http=CODE       create, query, retrieve, download  that HTTP status with an HTML page; a create makes no job
    garbage         create, query, retrieve            an HTML page with HTTP 200; a create makes no job
    cut             create, query, retrieve, download  the connection ends without an answer; a create makes no job
    lost            create                             the job is accepted, then the connection ends without an answer
    slow=SECONDS    create, query, retrieve, download  the answer waits (a create's job is accepted before it does);
                                                       goes together with any other fault
    truncate        download                           the connection ends in the middle of the file
    drip=SECONDS    download                           the file takes that long
    wrongtype       download                           an HTML page with HTTP 200
    expired         download, retrieve                 the link is answered as dead; is dead when handed out
    numeric-ids     create, query, retrieve            ids are JSON numbers; on create, in every answer of that job
    unknown-status  create, query                      a status nobody documented; on create, until the job ends
    fail=CODE       create                             the job ends as `Fail` with that base_resp code
    failed=CODE     create                             the same, spelt `Failed`
    stuck           create                             the job never ends

The last three, and the two before them on create, last as long as their job and take no `times`.

**At the control API**: `POST /sandbox/faults {"on": CALL, "fault": "FAULT=VALUE", "times": N, "match": "..."}` strikes the
next N (1; null is always) such calls whose prompt or task id contains `match`; a restart forgets it, as does
`DELETE /sandbox/faults`. `GET /sandbox/log` lists every request and what was answered: a create that has a `task_id`
was accepted. `GET /sandbox/jobs` lists every job with its true fraction. Both outlive a SIGKILL.

A prompt that contains `forbidden-by-minimax` is refused with 1026.
"""

from videos.minimax.sandbox.faults import Misspelt
from videos.minimax.sandbox.service import Sandbox

__all__ = ["Misspelt", "Sandbox"]
