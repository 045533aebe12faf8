"""Frames in, label maps out: tracking objects through videos without any database."""

from __future__ import annotations

from fiftyone_hs2s.tracking.frames import Frames, open_frames
from fiftyone_hs2s.tracking.propagation import MissingFrameError, Steps, track
from fiftyone_hs2s.tracking.tracker import TrackedFrame, Tracker

__all__ = ["Frames", "MissingFrameError", "Steps", "TrackedFrame", "Tracker", "open_frames", "track"]
