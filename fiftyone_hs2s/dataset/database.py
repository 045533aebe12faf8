"""What long work must know of the database: whether it still answers, and whether what it works on is
still there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

import fiftyone as fo
import fiftyone.core.odm as foo
import pymongo
from bson import ObjectId
from pymongo.errors import ConnectionFailure, PyMongoError

from fiftyone_hs2s.dataset.compat import (
    collection_of,
    dataset_id,
    frame_collection,
    root_dataset,
    sample_collection,
)
from fiftyone_hs2s.dataset.frame_paths import field_name, frame_path
from fiftyone_hs2s.errors import HS2SError

P = ParamSpec("P")
R = TypeVar("R")
_PATIENCE = 5
"""Seconds in which a database that broke a connection may answer again."""


class DatabaseError(HS2SError):
    """The database, the dataset or a field is gone: no other sample can be done either."""


class DeletedFieldError(DatabaseError):
    """A field is gone."""


def explain(error: Exception, check: Callable[[], None]) -> Exception:
    """Finds out whether an error comes from what has happened to the database.

    Args:
        error: the error
        check: makes sure that what was worked on is still there, as :func:`check_there` does

    Returns:
        an error that says so (:class:`DatabaseError` where it concerns all samples); else the error itself
    """
    if isinstance(error, DatabaseError):
        return error
    if _is_connection_failure(error) and not _answers():
        return DatabaseError(
            "FiftyOne's database no longer answers: start it again, then run this again; what is finished is"
            " kept"
        )
    try:
        check()
    except HS2SError as gone:
        return gone
    except PyMongoError:
        pass
    return error


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Wraps a function on samples so that its errors are replaced by what :func:`explain` finds."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        samples = args[0] if args else kwargs["samples"]
        try:
            return function(*args, **kwargs)
        except Exception as error:
            found = explain(error, lambda: _check_dataset(samples))
            raise found from (error.__cause__ if found is error else error)

    return wrapper


def reason(error: Exception) -> str:
    """Why something failed, in words."""
    return str(error) if isinstance(error, HS2SError) else f"{type(error).__name__}: {error}"


def check_there(dataset: fo.Dataset, sample_ids: Sequence[str] = (), fields: Sequence[str] = ()) -> None:
    """Makes sure that the dataset, samples and fields are still in the database.

    A dataset object does not know what other processes have deleted, and would write to it all the same.

    Raises:
        DatabaseError: if the dataset or a field was deleted
        HS2SError: if a sample was deleted
    """
    document = _document(dataset)
    if document is None:
        raise DatabaseError(f"the dataset {dataset.name!r} was deleted in the meantime")
    name, there = document["name"], _fields(document)
    for field in fields:
        if field not in there:
            raise DeletedFieldError(
                f"the field {field!r} of the dataset {name!r} was deleted in the meantime: if it is wanted, "
                "run dataset.reload() and this again"
            )
    wanted = [ObjectId(sample_id) for sample_id in sample_ids]
    found = foo.get_db_conn()[document["sample_collection_name"]].count_documents({"_id": {"$in": wanted}})
    if found < len(set(wanted)):
        raise HS2SError(f"{_listed(sample_ids)} of the dataset {name!r} was deleted in the meantime")


def declared_fields(dataset: fo.Dataset) -> set[str]:
    """The fields that the database has of a dataset, those of frames with ``frames.``; none if it was
    deleted."""
    return _fields(_document(dataset) or {})


def is_empty(dataset: fo.Dataset, path: str) -> bool:
    """Whether a field has no value in any sample, of whatever group slice, or in any frame
    (``frames.<name>``)."""
    name = field_name(path)
    collection = sample_collection(dataset) if name == path else frame_collection(dataset)
    return collection is None or collection.find_one({name: {"$ne": None}}, ["_id"]) is None


def unset(dataset: fo.Dataset, paths: Iterable[str]) -> None:
    """Removes values of fields that are no longer declared: FiftyOne cannot read a sample that has such."""
    names = {path: field_name(path) for path in paths}
    for collection, is_frame in ((sample_collection(dataset), False), (frame_collection(dataset), True)):
        wanted = {name: "" for path, name in names.items() if (path != name) == is_frame}
        if wanted and collection is not None:
            collection.update_many({}, {"$unset": wanted})


def _check_dataset(samples: Any) -> None:
    collection = samples if isinstance(samples, fo.Dataset | fo.DatasetView) else collection_of(samples)
    if collection is not None:
        check_there(root_dataset(collection))


def _document(dataset: fo.Dataset) -> dict[str, Any] | None:
    names = ["name", "sample_collection_name", "sample_fields.name", "frame_fields.name"]
    return foo.get_db_conn()["datasets"].find_one({"_id": dataset_id(dataset)}, names)


def _fields(document: dict[str, Any]) -> set[str]:
    frames = {frame_path(field["name"]) for field in document.get("frame_fields") or ()}
    return {field["name"] for field in document.get("sample_fields") or ()} | frames


def _listed(sample_ids: Sequence[str]) -> str:
    return f"sample {sample_ids[0]}" if len(sample_ids) == 1 else f"one of the {len(sample_ids)} samples"


def _is_connection_failure(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionFailure):
            return True
        error = error.__cause__ or error.__context__
    return False


def _answers() -> bool:
    try:
        with pymongo.timeout(_PATIENCE):
            foo.get_db_conn().command("ping")
    except PyMongoError:
        return False
    return True
