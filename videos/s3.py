"""Results on S3, Amazon's or another: what django-storages has no option for."""

import copy
from datetime import datetime
from typing import Any, Self

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage

# boto waits for a minute for a connection, and tries five times.
CONNECT_SECONDS, TRIES = 10, 3
# Names that one call lists: S3 gives no more.
PAGE = 1000


class S3(S3Storage):
    """Options of its own: `checksums` (boto's when_required or when_supported), and `public_endpoint_url`, under which others reach
    the store that workers reach by an inside name: links are signed for its host, and everything else goes to `endpoint_url`.
    """

    client_config: Any
    transfer_config: Any
    _connections: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            request_checksum_calculation=self.checksums,
            response_checksum_validation=self.checksums,
        )
        self.client_config = config.merge(self.client_config)
        public = options.get("public_endpoint_url")
        self._public = S3(**options | {"endpoint_url": public, "public_endpoint_url": None}) if public else None

    def get_default_settings(self) -> dict[str, Any]:
        usual: dict[str, Any] = super().get_default_settings()
        return usual | {"checksums": "when_required", "public_endpoint_url": None}

    def alone(self) -> Self:
        """The same, whose files come and go in the calling thread: a process cannot end while threads of boto's wait for a store that is
        silent.
        """
        other = copy.copy(self)
        other._connections, other.transfer_config = self._connections, TransferConfig(use_threads=False)
        return other

    def page(self, place: str, after: str) -> tuple[list[tuple[str, datetime]], bool]:
        """The next names under a place, in their order, after a given one ("": from the first on), each with when it was stored; and
        whether there are more. One call.
        """
        begin = {"StartAfter": after} if after else {}
        answer = self.bucket.meta.client.list_objects_v2(Bucket=self.bucket_name, Prefix=place, MaxKeys=PAGE, **begin)
        return [(found["Key"], found["LastModified"]) for found in answer.get("Contents", [])], bool(answer["IsTruncated"])

    def url(self, name: str, **signing: Any) -> str:
        return self._public.url(name, **signing) if self._public else super().url(name, **signing)
