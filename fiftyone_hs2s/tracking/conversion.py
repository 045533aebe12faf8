"""From the decoder's frames to RGB arrays, through the filters that the ``ffmpeg`` command would use."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData


class Converter:
    """Turns frames upright, makes them RGB, and brings those of another size to the size of the video.

    A filter graph and not ``VideoFrame.to_ndarray``, whose scaler treats interlaced and 10-bit chroma in
    another way.

    Args:
        size: (H, W) of the results; None for that of the first frame
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        self._size = size
        self._graph, self._made_for = Graph(), ("", 0, 0, b"")

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """The frame as uint8 (H, W, 3), RGB; its rows may lie apart in memory."""
        kind = (frame.format.name, frame.width, frame.height, _display_matrix(frame))
        if kind != self._made_for:
            self._graph, self._made_for = _build_graph(frame, self._size), kind
        self._graph.push(frame)
        array = self._graph.pull().to_ndarray()
        self._size = self._size or array.shape[:2]
        return array.copy() if frame.format.name == "rgb24" else array  # the decoder may still need its own


def _build_graph(frame: av.VideoFrame, size: tuple[int, int] | None) -> Graph:
    graph = Graph()
    time_base = Fraction(1, 1000)  # of no importance, but required
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=time_base
    )
    scale = [("scale", f"{size[1]}:{size[0]}")] if size else []
    filters = [
        graph.add(*given) for given in (*_turns(_display_matrix(frame)), *scale, ("format", "pix_fmts=rgb24"))
    ]
    graph.link_nodes(source, *filters, graph.add("buffersink"))
    graph.configure()
    return graph


def _display_matrix(frame: av.VideoFrame) -> bytes:
    data = frame.side_data.get("DISPLAYMATRIX")
    return bytes(data) if isinstance(data, SideData) else b""


def _turns(display_matrix: bytes) -> list[tuple[str, str | None]]:
    """The filters that turn a frame as its display matrix says: those of ``ffmpeg -autorotate``."""
    if not display_matrix:
        return []
    # 3x3; the last column is that of a perspective, and not used.
    matrix = np.frombuffer(display_matrix, np.int32)
    angle = round(math.degrees(math.atan2(matrix[1], matrix[0]))) % 360
    across, along = ("hflip", None), ("vflip", None)
    if angle == 90:
        return [*([across] if matrix[3] > 0 else []), ("transpose", "clock")]
    if angle == 180:
        return [*([across] if matrix[0] < 0 else []), *([along] if matrix[4] < 0 else [])]
    if angle == 270:
        return [*([across] if matrix[3] < 0 else []), ("transpose", "cclock")]
    if angle > 0:
        return [("rotate", f"{angle}*PI/180")]
    return [along] if matrix[4] < 0 else []
