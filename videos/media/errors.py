"""Whose fault it is: the file's, the disk's, or nobody's because the reader was stopped."""

from enum import Enum


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
