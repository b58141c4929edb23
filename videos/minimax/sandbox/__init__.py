"""A MiniMax look-alike that speaks its API over real HTTP on the loopback, for the demo, for tests and for the curious.

It stands in for somebody else's server, so it knows nothing of Conduit. It needs no network, keeps its jobs over a
restart, and makes true H.264 videos. MiniMax's are

    V1      POST /v1/video_generation, GET /v1/query/video_generation, GET /v1/files/retrieve, POST /v1/image_generation
    V2      POST and GET /v2/video_generation and /v2/query/video_generation[/ID], DELETE /v2/video_generation/ID

and links to videos and images are under `/download/`. V1 says errors inside HTTP 200, V2 as HTTP statuses. A URL of an
image elsewhere is taken without a look, as if no frame had been given. A client that asks for another host than the loopback's at
the sandbox's own port is answered 421.

A create may name a `callback_url` on the loopback, of http. While it is open `{"challenge": "…"}` is posted there and wanted
back within 3 seconds, else the create is refused with 2013, as it is for a URL elsewhere. Then `processing` is pushed when
the job begins, and `success` or `failed` when it ends, in the query's shape; each once, whatever is answered.

A clip with a first frame begins with that very image and passes into its scene within a second; a last frame is checked
and not shown. V1's clips have the ratio of their first frame. H3's have a sound that beeps on each whole second.

Each frame can show its number (the format is in `numbers.py`): a clip whose first frame carries number N shows N again
and counts on, so in a chain of clips the numbers rise by one when the doubled frame of each join is dropped.

`manage.py sandbox --help` lists its options; those for `--numbers`, `--frames-off`, `--frames-jitter` and `--clip-scale`
can also be given in the environment, as SANDBOX_NUMBERS=1 and so on, to a sandbox that the stack starts.

Faults can be scripted through two doors that share one grammar.

**In a prompt**, so that anybody can see one: `a cat [sandbox: create status=1000 times=2; download cut]`.

    [sandbox: DIRECTIVE; DIRECTIVE; ...]      DIRECTIVE is  [CALL] FAULT[=VALUE] [times=N|times=always]

CALL is `create`, `query`, `retrieve`, `download`, `cancel`, `image`, `download-image` or (at the control API only: it
has no prompt) `list`; left out, it is the first one named below. A fault strikes once
unless `times` says otherwise, counted for each job (for a create or an image: until one with this prompt is accepted),
also over a restart. Of several faults of a call one strikes at a time, in the order written, those of the prompt before
those that were ordered. What is not understood is
answered with 2013, and its status_msg (a line of the worker's log) says what would be right.

    status=CODE     every call but the downloads       that base_resp code inside HTTP 200, on V2 the HTTP status that
                                                       goes with it; a create makes no job
    rate-limit      every call but the downloads       status=1002
    http=CODE       every call                         that HTTP status with an HTML page, on V2 with its JSON but no
                                                       code; a create makes no job
    garbage         every call but the downloads       an HTML page with HTTP 200; a create makes no job
    cut             every call                         the connection ends without an answer; a create makes no job
    lost            create, image, cancel              it is done, then the connection ends without an answer
    slow=SECONDS    every call                         the answer waits (a create's job is accepted before it does);
                                                       goes together with any other fault
    truncate        download, download-image           the connection ends in the middle of the file
    drip=SECONDS    download, download-image           the file takes that long
    wrongtype       download, download-image           an HTML page with HTTP 200
    expired         download, download-image, retrieve the link is answered as dead; is dead when handed out
    withheld        image                              no image is handed out, as moderation does it
    numeric-ids     create, query, retrieve            ids are JSON numbers; on create, in every answer of that job
    unknown-status  create, query                      a status nobody documented; on create, until the job ends
    fail=CODE       create                             the job ends as `Fail` (V2: `failed`) with that base_resp code
    failed=CODE     create                             the same, on V1 spelt `Failed`
    stuck           create                             the job never ends
    queued          create                             the job never begins
    late=SECONDS    create                             the job takes so many seconds more, whatever the time scale
    unreachable     create                             refused with 2013 if it names a callback_url; makes no job
    callbacks-off   create                             the job's callbacks get lost; the challenge does not
    callbacks-late=SECONDS create                      that of its end comes so much later
    callbacks-doubled create                           that of its end comes three times
    callbacks-reordered create                         that of its beginning comes after that of its end
    numbers         create                             the clip's frames show their numbers
    frames=N        create                             the clip has N frames; with a sign, so many more or fewer
    frames-jitter=N create                             up to N frames more or less, by the job

From `numeric-ids` on those on create last as long as their job and take no `times`, but for `unreachable`.

**At the control API**: `POST /sandbox/faults {"on": CALL, "fault": "FAULT=VALUE", "times": N, "match": "..."}` strikes the
next N (1; null is always) such calls whose prompt or task id contains `match`; a restart forgets it, as does
`DELETE /sandbox/faults`. `GET /sandbox/log` lists every request and callback and what was answered: a create that has a `task_id`
was accepted. `GET /sandbox/jobs` lists every job with its true fraction. `GET /sandbox/bill` tells what MiniMax would
have billed for them, and for images, in USD. All three outlive a SIGKILL.

**Several accounts.** Beside the key of `--api-key` (the account `main`) there may be others: `--account NAME=KEY[,pace=N][,balance=USD]`,
as often as wanted, or SANDBOX_ACCOUNTS with `;` between them. Each sees its own jobs alone. `pace` is how many creates and images it is
accepted within any 60 seconds, of real time (more: 1002), `balance` what it can be billed (more: 1008). `GET /sandbox/accounts` lists
them, `POST /sandbox/accounts {"name": "east", "balance": 10}` changes `key`, `pace` or `balance` (null: any), which outlives a restart.

A prompt that contains `forbidden-by-minimax` is refused with 1026.
"""

from videos.minimax.sandbox.accounts import Account
from videos.minimax.sandbox.faults import Misspelt
from videos.minimax.sandbox.service import Sandbox

__all__ = ["Account", "Misspelt", "Sandbox"]
