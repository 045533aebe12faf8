"""Frames in, label maps out: tracking objects through videos without any database."""

from __future__ import annotations

from fiftyone_hs2s.tracking.frames import Frames, open_frames
from fiftyone_hs2s.tracking.propagation import MissingFrameError, Steps, choose_prompts, track
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.tracker import Tracker

__all__ = ["Frames", "MissingFrameError", "Steps", "TrackedFrame", "Tracker", "choose_prompts", "open_frames", "track"]
