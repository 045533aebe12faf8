"""One pass through a video file, by PyAV: frames as FFmpeg's decoders give them, and what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.tracking.frame_index import NO_TIME, FrameIndex, time_stamp

_ONE_TO_ONE = {"h264", "hevc", "mpeg1video", "mpeg2video"}
"""Codecs with a frame for each packet (or pair of fields), whose decoders drop what they lack references
for unsaid."""

_OUTPUT_CORRUPT = 1 << 3  # AV_CODEC_FLAG_OUTPUT_CORRUPT


class DamageError(Exception):
    """A pass that is not careful has met damage."""


class Reading:
    """A pass through a video file, from its start or from a key frame.

    Args:
        path: the file
        careful: decode in one thread. Several are faster, but lose frames at the end of a damaged file, and
            what they show after damage differs from run to run; so damage is a :class:`DamageError` then
        damaged_from: offset in bytes from which the file is known to be damaged

    Attributes:
        number: that of the frame that comes next
        damaged_at: number of the first frame that may be missing or wrong, None if there is none
        is_cut: whether the file ends before the video does
        announced: number of frames by the file's header, 0 if it says none
        fps: frames per second on average, None if unknown
        format: FFmpeg's name of the container

    Raises:
        VideoError: if the file cannot be opened, or holds no video that can be decoded
    """

    def __init__(self, path: Path, careful: bool = True, damaged_from: int | None = None) -> None:
        self._path, self._careful, self._damaged_from = path, careful, damaged_from
        self._open()
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else None
        self.announced, self.format = self._stream.frames, self._container.format.name

    def _open(self) -> None:
        self._container = _open_container(self._path)
        self._stream = _choose_stream(self._container, self._path)
        self._codec = self._stream.codec_context
        self._codec.thread_type, self._codec.thread_count = "AUTO", int(self._careful)
        # FFmpeg 8 drops what earlier versions show, and so shifts all later numbers.
        if self._codec.name == "hevc":
            self._codec.flags |= _OUTPUT_CORRUPT
        self._packets = self._container.demux(self._stream)
        self._first_time, self._is_from_start = NO_TIME, True
        self._lost, self._interlaced, self._starts_with_key = 0, 0, True
        self.number, self.is_cut = 0, False
        self.damaged_at: int | None = None

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def count_frames(self) -> int:
        """Number of the frames in the file, without decoding them: some codecs have packets without a
        frame."""
        return sum(not packet.is_discard and not _is_hidden(packet) for packet in self._read_packets())

    def seek(self, index: FrameIndex, number: int) -> bool:
        """Makes a key frame at or before some frame the next one; tells whether that is possible."""
        for time in index.key_times(number):
            try:
                self._container.seek(time, stream=self._stream)
                packets = self._container.demux(self._stream)
                key = next((packet for packet in packets if packet.size and packet.is_keyframe), None)
            except av.FFmpegError:
                continue
            found = None if key is None else index.number_at(time_stamp(key))
            if key is not None and found is not None and found <= number:
                self._packets, self._first_time = chain([key], packets), time_stamp(key)
                self._is_from_start, self.number = False, found
                return True
        self._container.close()
        self._open()
        return False

    def frames(self) -> Iterator[av.VideoFrame]:
        """The frames, to the end of the file.

        Raises:
            DamageError: if some are damaged and the pass is not careful
        """
        for place, packet in enumerate(self._read_packets()):
            if place == 0:
                self._starts_with_key = packet.is_keyframe
            if packet.is_corrupt or self._is_past_damage(packet):
                self._notice_damage()
            self._lost += not packet.is_discard
            yield from self._decode(packet)
        yield from self._decode(None)
        self._check_end()

    def _check_end(self) -> None:
        if self._damaged_from is not None:
            self.is_cut = True  # nothing came from beyond
        if self.is_cut:
            self._notice_damage()
        if self._is_from_start and self._codec.name in _ONE_TO_ONE and self._lost > 0:
            # Each field may have its own packet.
            is_unsaid = self._lost > self._interlaced and self.damaged_at is None
            if is_unsaid or not self._starts_with_key:
                self._notice_damage(0)

    def _is_past_damage(self, packet: av.Packet) -> bool:
        if self._damaged_from is None or packet.pos is None or packet.pos < self._damaged_from:
            return False
        self._damaged_from = None
        return True

    def _read_packets(self) -> Iterator[av.Packet]:
        try:
            # AVI has empty ones: nothing new to show.
            yield from (packet for packet in self._packets if packet.size)
        except av.FFmpegError:
            self.is_cut = True

    def _decode(self, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
        try:
            frames = self._codec.decode(packet)
        except av.FFmpegError:
            self._notice_damage()
            return
        for frame in frames:
            if frame.is_corrupt:
                self._notice_damage()
            self._lost -= 1
            self._interlaced += frame.interlaced_frame
            if time_stamp(frame) >= self._first_time:  # what precedes a key frame may lack references
                yield frame
                self.number += 1

    def _notice_damage(self, number: int | None = None) -> None:
        if not self._careful:
            raise DamageError
        number = self.number if number is None else number
        self.damaged_at = number if self.damaged_at is None else min(self.damaged_at, number)


def _is_hidden(packet: av.Packet) -> bool:
    """Whether it is one of VP8's reference frames that are never shown."""
    return packet.stream.codec_context.name == "vp8" and not bytes(packet)[0] & 0x10


def _open_container(path: Path) -> InputContainer:
    # torchvision 0.21 switches on that FFmpeg's messages go to Python. Its threads then wait for the
    # interpreter's lock, which whoever closes a decoder holds while it waits for these threads.
    av.logging.set_level(None)
    try:
        return av.open(f"file:{path}", metadata_errors="replace")
    except (av.FFmpegError, UnicodeError) as error:
        raise VideoError(
            f"The video {path} cannot be opened: it is damaged, incomplete, or not a video."
        ) from error


def _choose_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream that the ``ffmpeg`` command takes: the largest, cover pictures last."""

    def rank(stream: VideoStream) -> int:
        if stream.disposition & Disposition.attached_pic:
            return 1
        return stream.width * stream.height + 5_000_000 * bool(stream.disposition & Disposition.default)

    stream = max(container.streams.video, key=rank, default=None)
    if stream is None or stream.codec_context is None:
        container.close()
        raise VideoError(f"The file {path} holds no video that can be decoded.")
    return stream
