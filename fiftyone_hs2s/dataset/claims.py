"""Claims: which of several runs works on something, whether they share a process, a machine or only the
database."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Any
from uuid import uuid4

import fiftyone as fo
import fiftyone.core.odm as foo
import psutil
import pymongo
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from fiftyone_hs2s.dataset.compat import dataset_id
from fiftyone_hs2s.errors import HS2SError

LEASE = 60.0
"""Seconds for which a claim holds without a sign of life of its owner."""
_FORGET = 24 * 3600
"""Seconds after which the database removes a claim that nobody has released."""


class ClaimedError(HS2SError):
    """Another run works on it."""


class LostClaimError(HS2SError):
    """Another run has taken over, since this one gave no sign of life."""


class Claim:
    """The right to write something, which one run at a time can have.

    It is a document of the database, so it holds between machines, and times are the database's own. A thread
    renews it while it is held. The claim of a process that is gone is given up: at once if the process was on
    this machine, else when its lease has run out.

    Args:
        dataset: the dataset
        what: what is claimed, in words that end a sentence: "sample 65f0... in the field 'hs2s'"
        patient: whether to wait, where a process of another machine has the claim, until that has given a
            sign of life or its lease has run out

    Raises:
        ClaimedError: on entering, if another run has the claim
    """

    def __init__(self, dataset: fo.Dataset, what: str, patient: bool = False) -> None:
        self._key = f"{dataset_id(dataset)} {what}"
        self._what, self._id = what, uuid4().hex
        self._patient, self._released = patient, Event()

    def __enter__(self) -> Claim:
        _collection().create_index("until", expireAfterSeconds=_FORGET)
        holder = self._take()
        if holder["owner"] != self._id and _is_dead(holder["process"]):
            _collection().delete_one({"_id": self._key, "owner": holder["owner"]})
            holder = self._take()
        if self._patient:
            holder = self._wait(holder)
        if holder["owner"] != self._id:
            process = holder["process"]
            raise ClaimedError(
                f"another run (process {process['pid']} on {process['host']}) works on {self._what}: wait"
                f" until it has finished; once it is gone its claim ends within {LEASE:g} seconds"
            )
        Thread(target=self._renew, name="hs2s-claim", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._released.set()
        with suppress(PyMongoError), pymongo.timeout(2):  # in vain where the database is gone
            _collection().delete_one({"_id": self._key, "owner": self._id})

    def check(self) -> None:
        """Makes sure that the claim is still this run's.

        Raises:
            LostClaimError: if it is not
        """
        if _collection().count_documents({"_id": self._key, "owner": self._id}, limit=1) == 0:
            raise LostClaimError(
                f"another run has taken over {self._what}, since this one gave no sign of life for {LEASE:g}"
                " seconds"
            )

    def _take(self) -> dict[str, Any]:
        """Takes the claim if it is free, in one step; returns who has it then."""
        free = {"$lt": [{"$ifNull": ["$until", 0]}, "$$NOW"]}
        until = {"$add": ["$$NOW", int(1000 * LEASE)]}
        values = {"owner": self._id, "process": {"$literal": _this_process()}, "until": until}
        update = [{"$set": {name: {"$cond": [free, value, f"${name}"]} for name, value in values.items()}}]
        for _ in range(2):  # two runs may insert it at once
            with suppress(DuplicateKeyError):
                return _collection().find_one_and_update(
                    {"_id": self._key}, update, upsert=True, return_document=ReturnDocument.AFTER
                )
        raise ClaimedError(f"another run works on {self._what}: wait until it has finished")

    def _wait(self, holder: dict[str, Any]) -> dict[str, Any]:
        """Waits while it is not known whether who has the claim is alive; returns who has it then."""
        first = holder
        while _is_elsewhere(holder["process"]) and (holder["owner"], holder["until"]) == (
            first["owner"],
            first["until"],
        ):
            time.sleep(LEASE / 60)
            holder = self._take()
        return holder

    def _renew(self) -> None:
        update = [{"$set": {"until": {"$add": ["$$NOW", int(1000 * LEASE)]}}}]
        while not self._released.wait(LEASE / 4):
            with suppress(PyMongoError):  # who works with the database will notice
                _collection().update_one({"_id": self._key, "owner": self._id}, update)


def any_claims(dataset: fo.Dataset) -> bool:
    """Whether a run works on anything in the dataset."""
    query = {"_id": {"$regex": f"^{dataset_id(dataset)} "}, "$expr": {"$gt": ["$until", "$$NOW"]}}
    return any(not _is_dead(claim["process"]) for claim in _collection().find(query))


def _collection() -> Collection:
    return foo.get_db_conn()["hs2s.claims"]


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "space": _process_space(), "pid": os.getpid()}


def _process_space() -> str:
    """What process ids belong to: containers of one host name may have their own."""
    with suppress(OSError):
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


def _is_dead(process: dict[str, Any]) -> bool:
    """Whether a process of this machine is gone; False for those of others, which cannot be known."""
    return not _is_elsewhere(process) and not psutil.pid_exists(process["pid"])


def _is_elsewhere(process: dict[str, Any]) -> bool:
    return process["space"] != _process_space()
