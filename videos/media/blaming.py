"""Whose fault an error of FFmpeg is. Apart from the errors themselves, which processes know that do not load FFmpeg."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av

from videos.media.errors import Harm, MediaError

# The disk's errors, told by number: FFmpeg reports some broken files as "operation not permitted", an OSError too.
_DISK_TROUBLE = frozenset(
    {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOSPC, errno.EROFS}
)


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
