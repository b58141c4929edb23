"""Whose fault it is: the file's, the disk's, or nobody's because the reader was stopped."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import av

# The disk's errors, told by number: FFmpeg reports some broken files as "operation not permitted", an OSError too.
_DISK_TROUBLE = frozenset(
    {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOSPC, errno.EROFS}
)


class Harm(Enum):
    """What a bad file does to its reader."""

    REFUSED = "refused"  # nothing: it was read and found bad
    CRASH = "crash"  # the reader died of it
    TIME = "time"  # it took more of the processors than it may
    MEMORY = "memory"
    SIZE = "size"  # more came out of it than may be written


class MediaError(Exception):
    """The file is broken, or not a video that can be delivered. The message says what is wrong with it, `harm` what it did."""

    def __init__(self, message: str, harm: Harm = Harm.REFUSED) -> None:
        super().__init__(message)
        self.harm = harm


class ReaderStopped(OSError):
    """The process that reads the file was ended from outside (a shutdown, a machine out of memory or time): it says nothing of the file."""


@contextmanager
def blaming_the_file() -> Iterator[None]:
    """FFmpeg's errors are the file's fault, except those of the disk: a full one does not make a clip bad."""
    try:
        yield
    except MemoryError as error:
        raise MediaError("The video needs more memory than it may have.", Harm.MEMORY) from error
    except (av.FFmpegError, OSError) as error:  # an OSError: a place that the file says it has, and has not
        if error.errno in _DISK_TROUBLE:
            raise
        raise MediaError(f"The video file is damaged or not a video ({error.strerror}).") from error
