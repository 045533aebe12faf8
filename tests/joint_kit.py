"""Trackers of a joint that wait for each other, however busy the machine is."""

from __future__ import annotations

import pytest

from fiftyone_hs2s.runtime import joint


def wait_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tracker is waited for from its beginning on, and long."""
    begin = joint.JointEngine.__init__

    def expected(self: joint.JointEngine, own: joint.Joint) -> None:
        begin(self, own)
        own._expected = own._expected | {self}

    monkeypatch.setattr(joint, "PATIENCE", 60)
    monkeypatch.setattr(joint.JointEngine, "__init__", expected)
