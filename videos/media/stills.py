"""A clip's last picture as a file: what the next clip of a chain is asked to go on from."""

from fractions import Fraction

import av

from videos.media.framing import square_size, upright

# MiniMax takes images under 20 MB. PNG loses nothing, so that the next clip really begins with this picture and the join
# can drop it unseen; and three bytes a pixel of the largest clip that a model makes are 11 MB at worst, 15 MB in base64.
_MOST_PIXELS = 2560 * 1440


def png(frame: av.VideoFrame, shape: Fraction) -> bytes:
    """The picture as a player shows it: upright, in square pixels, full-range RGB."""
    width, height = square_size(frame.width, frame.height, shape, frame.rotation)
    shrink = min(1.0, (_MOST_PIXELS / (width * height)) ** 0.5)
    picture = upright(
        frame, f"scale={int(width * shrink)}:{int(height * shrink)}:flags=lanczos+accurate_rnd+full_chroma_int", "format=rgb24"
    )
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "rgb24"
    encoder.time_base = Fraction(1, 25)  # encoders want one, pictures have none
    encoder.thread_count = 1
    picture.pict_type = 0
    return b"".join(bytes(packet) for given in (picture, None) for packet in encoder.encode(given))
