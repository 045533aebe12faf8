"""Whether a video file was cut or overwritten, told by its structure.

FFmpeg reads such files as if they ended there: some of its demuxers neither fail nor mark a packet.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_Step = Callable[[bytes, int], "int | None"]
"""The length of the element that begins with these bytes, and has so many left in the file; None if there
is none."""


def find_damage(path: Path, container: str) -> int | None:
    """Looks where the structure of a file no longer holds.

    Args:
        path: the file
        container: FFmpeg's name of its format, such as ``mov,mp4,m4a,3gp,3g2,mj2``

    Returns:
        offset in bytes of the first element that is cut or cannot be read; None if there is none, or the
        format is one that FFmpeg checks itself
    """
    find = {"mov": _in_mp4, "matroska": _in_matroska, "mpegts": _in_ts, "flv": _in_flv, "ogg": _in_ogg}
    kind = container.split(",")[0]
    if kind not in find:
        return None
    with path.open("rb") as file:
        return find[kind](file, path.stat().st_size)


def _walk(file: BinaryIO, start: int, end: int, header: int, step: _Step) -> int | None:
    """Goes from element to element; gives the offset of the first that is none or goes beyond the end."""
    position = start
    while position < end:
        file.seek(position)
        length = step(file.read(header), end - position)
        if length is None or length > end - position:
            return position
        position += length
    return None


def _in_mp4(file: BinaryIO, end: int) -> int | None:
    """Boxes; what is no box is left alone, since cameras append notes of their own."""

    def step(data: bytes, left: int) -> int:
        length, name = int.from_bytes(data[:4], "big"), data[4:8]
        if length == 1:
            length = int.from_bytes(data[8:16], "big")
        return length if length >= 8 and name.isalnum() else left

    # A box is as large as the video: its start is there.
    return None if _walk(file, 0, end, 16, step) is None else end


def _in_ts(file: BinaryIO, end: int) -> int | None:
    """Packets of one length, 188 or 192 (with a time before each); a part of one at the end is a cut."""
    data = file.read(2 * 192)
    length = next(
        (n for n in (188, 192) if data[n - 188 : n - 187] == data[2 * n - 188 : 2 * n - 187] == b"G"), None
    )
    if length is None or end % length <= length - 188:
        return None
    last = end - end % length
    file.seek(last + length - 188)
    return last if file.read(1) == b"G" else None


def _in_flv(file: BinaryIO, end: int) -> int | None:
    """Tags, each followed by its length."""

    def step(data: bytes, left: int) -> int | None:
        length = 11 + int.from_bytes(data[1:4], "big")
        if left < length + 4:
            return length + 4
        file.seek(end - left + length)
        return length + 4 if int.from_bytes(file.read(4), "big") == length else None

    file.seek(5)
    return _walk(file, int.from_bytes(file.read(4), "big") + 4, end, 11, step)


def _in_ogg(file: BinaryIO, end: int) -> int | None:
    """Pages, with a table of the lengths of their parts."""

    def step(data: bytes, left: int) -> int | None:
        return (
            27 + data[26] + sum(data[27 : 27 + data[26]]) if data[:4] == b"OggS" and len(data) > 26 else None
        )

    return _walk(file, 0, end, 27 + 255, step)


_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675


def _in_matroska(file: BinaryIO, end: int) -> int | None:
    """EBML elements: those of the segment, and in it those of each cluster, which must end where the
    cluster does."""
    segment_end, cluster_end = end, 0
    position = 0
    while position < segment_end:
        file.seek(position)
        element, length, header = _element(file.read(12))
        inside = position < cluster_end
        if element is None or (inside and element == _CLUSTER):
            return position
        if element == _SEGMENT and length is not None:
            segment_end = position + header + length
        elif element == _CLUSTER and length is not None:
            cluster_end = position + header + length
        elif element not in (_SEGMENT, _CLUSTER):
            following = position + header + (length or 0)
            if length is None or following > (cluster_end if inside else segment_end) or following > end:
                return position
            header += length
        position += header
        if position >= end and segment_end > end:
            return end
    return None


def _element(data: bytes) -> tuple[int | None, int | None, int]:
    """Id (None if there is none), length (None if not known beforehand) of an element, and that of its
    header."""
    id_length = 9 - data[0].bit_length() if data and data[0] else 9
    rest = data[id_length:]
    size_length = 9 - rest[0].bit_length() if rest and rest[0] else 9
    if id_length > 4 or len(rest) < size_length:
        return None, None, 0
    size = int.from_bytes(rest[:size_length], "big") ^ (1 << 7 * size_length)
    unknown = size == (1 << 7 * size_length) - 1
    return int.from_bytes(data[:id_length], "big"), None if unknown else size, id_length + size_length
