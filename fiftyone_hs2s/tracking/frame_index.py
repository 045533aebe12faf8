"""What makes seeking in a video file exact."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from zlib import crc32

import av
import numpy as np

NO_TIME = -(2**63)


class FrameIndex:
    """The time stamp and a checksum of each frame, from a pass through the whole video.

    Containers differ in where a seek lands, and streams in what can be decoded from there. So a seek is
    trusted only as long as it gives the frames that the pass from the start gave.
    """

    def __init__(self) -> None:
        self._times, self._checks, self._keys = array("q"), array("I"), array("q")
        self._is_ascending = True

    def add(self, frame: av.VideoFrame) -> None:
        """Appends the next frame."""
        time = time_stamp(frame)
        self._is_ascending &= time > (self._times[-1] if self._times else NO_TIME)
        if frame.key_frame:
            self._keys.append(len(self._times))
        self._times.append(time)
        self._checks.append(_checksum(frame))

    def key_times(self, number: int) -> Iterator[int]:
        """Time stamps of key frames to start from to reach a frame: the latest first, then in growing
        steps."""
        place, step = bisect_right(self._keys, number) - 1, 1
        while place > 0 and self._is_ascending:
            yield self._times[self._keys[place]]
            place -= step
            step *= 2

    def number_at(self, time: int) -> int | None:
        """Number of the frame with this time stamp, None if there is none."""
        number = bisect_left(self._times, time)
        return number if number < len(self._times) and self._times[number] == time else None

    def matches(self, number: int, frame: av.VideoFrame) -> bool:
        """Whether this is the frame of that number."""
        if number >= len(self._times):
            return False
        return self._times[number] == time_stamp(frame) and self._checks[number] == _checksum(frame)

    def forget_keys(self) -> None:
        """Gives up seeking."""
        self._keys = array("q")


def time_stamp(item: av.VideoFrame | av.Packet) -> int:
    """When it is shown, in units of the stream; AVI knows only when it is decoded."""
    time = item.dts if item.pts is None else item.pts
    return NO_TIME if time is None else time


def _checksum(frame: av.VideoFrame) -> int:
    """Of every fourth line of the first plane."""
    plane = frame.planes[0]
    stride = abs(plane.line_size)
    lines = np.frombuffer(memoryview(plane), np.uint8, stride * plane.height).reshape(plane.height, stride)
    return crc32(lines[::4, : plane.width].tobytes())
