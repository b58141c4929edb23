"""What becomes of clips: an MP4 that every browser plays, exactly as large and long as asked, its thumbnail, and true numbers.

A room without Django: it runs in processes of its own (`in_child`), which start fast and may be killed by a bad file.
"""

from videos.media.assembling import assemble, probe
from videos.media.child import ChildLimits, in_child
from videos.media.cutting import LACK_MAX, Cut, cut
from videos.media.errors import Harm, MediaError, ReaderStopped
from videos.media.facts import ClipFacts, SheetFacts, Target, VideoFacts
from videos.media.sheets import draw_spritesheet

__all__ = [
    "LACK_MAX",
    "ChildLimits",
    "ClipFacts",
    "Cut",
    "Harm",
    "MediaError",
    "ReaderStopped",
    "SheetFacts",
    "Target",
    "VideoFacts",
    "assemble",
    "cut",
    "draw_spritesheet",
    "in_child",
    "probe",
]
