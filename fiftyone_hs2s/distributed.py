"""Many videos on many machines: propagation, evaluation and failures on a Ray cluster."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fiftyone_hs2s.engines import Engine, Result, Tell, Work
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.diagnose.failure_report import FailureReport
    from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
    from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport

_PATIENCE = 10
"""Seconds in which a task that is canceled tidies up."""


class Ray(Engine):
    """Does each sample as a task of a Ray cluster, which tries it again where a worker is lost.

    All machines see the videos under the same paths, have fiftyone-hs2s installed, and reach the database
    that ``FIFTYONE_DATABASE_URI`` names.

    Args:
        address: of the cluster; None for ``RAY_ADDRESS``, else the one that this machine belongs to, else a
            new one of this machine
        num_cpus: cores for a sample
        num_gpus: GPUs for a sample; 0 to track on CPUs
        max_retries: how often a sample is tried again after a worker was lost
        runtime_env: what else the workers need, in Ray's words
    """

    tries_again = True

    def __init__(
        self,
        address: str | None = None,
        num_cpus: float = 1,
        num_gpus: float = 0,
        max_retries: int = 3,
        runtime_env: Mapping[str, Any] | None = None,
    ) -> None:
        self._address, self._runtime_env = address, dict(runtime_env or {})
        self._each = {"CPU": num_cpus, "GPU": num_gpus}
        self._options = {"num_cpus": num_cpus, "num_gpus": num_gpus, "max_retries": max_retries}

    @property
    def capacity(self) -> int:  # type: ignore[override]
        """Twice as many tasks as the cluster can do now, so that no worker waits for one."""
        there = self._ray.cluster_resources()
        places = [there.get(name, 0) / each for name, each in self._each.items() if each]
        return max(1, 2 * int(min(places, default=1)))

    @contextmanager
    def _at_work(self, work: Work, tell: Tell) -> Iterator[None]:
        self._ray = _import_ray()
        variables = {**_database(), **self._runtime_env.get("env_vars", {})}
        environment = {**self._runtime_env, "env_vars": variables}
        started = not self._ray.is_initialized()
        if started:
            self._ray.init(self._address, include_dashboard=False)
        self._tell, self._tasks = tell, dict[Any, int]()
        self._work = uuid4().hex, [self._ray.put(pickle.dumps(work))]
        self._do = self._ray.remote(_do).options(runtime_env=environment, **self._options)
        try:
            yield
        finally:
            self._cancel()
            if started:
                self._ray.shutdown()

    def _submit(self, index: int, task: Any) -> None:
        self._tasks[self._do.remote(*self._work, task)] = index
        self._tell(index, None)

    def _wait(self) -> Iterator[Result]:
        done, _ = self._ray.wait(list(self._tasks))
        for reference in done:
            index = self._tasks.pop(reference)
            try:
                yield Result(index, self._ray.get(reference))
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except self._ray.exceptions.RayError as error:
                yield Result(index, lost=f"its worker was lost: {' '.join(str(error).split())}")

    def _cancel(self) -> None:
        for reference in self._tasks:
            self._ray.cancel(reference)
        if self._tasks:
            self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=_PATIENCE)


def propagate(samples: Any, *args: Any, engine: str | Engine = "ray", **options: Any) -> PropagationReport:
    """:func:`fiftyone_hs2s.propagate` on a cluster: a task for each sample.

    Args:
        samples: the samples
        *args: as for :func:`fiftyone_hs2s.propagate`, and so are the options
        engine: ``"ray"``, or an engine such as ``Ray(num_gpus=1)``

    Raises:
        HS2SError: as there; also if the machines do not share a database, or Ray is missing
    """
    from fiftyone_hs2s import propagate

    return propagate(samples, *args, num_workers=_engine(engine), **options)


def evaluate_propagation(
    samples: Any, *args: Any, engine: str | Engine = "ray", **options: Any
) -> PropagationResults:
    """:func:`fiftyone_hs2s.evaluate_propagation` on a cluster: a task for each sample.

    Args:
        samples: the samples
        *args: as for :func:`fiftyone_hs2s.evaluate_propagation`, and so are the options
        engine: see :func:`propagate`
    """
    from fiftyone_hs2s import evaluate_propagation

    return evaluate_propagation(samples, *args, num_workers=_engine(engine), **options)


def find_failures(samples: Any, *args: Any, engine: str | Engine = "ray", **options: Any) -> FailureReport:
    """:func:`fiftyone_hs2s.find_failures` on a cluster: a task for each sample.

    Args:
        samples: the samples
        *args: as for :func:`fiftyone_hs2s.find_failures`, and so are the options
        engine: see :func:`propagate`
    """
    from fiftyone_hs2s import find_failures

    return find_failures(samples, *args, num_workers=_engine(engine), **options)


def _engine(engine: str | Engine) -> Engine:
    if isinstance(engine, Engine):
        return engine
    if engine != "ray":
        raise HS2SError(f'there is no engine {engine!r}: take "ray"')
    return Ray()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise HS2SError("Ray is missing: pip install 'fiftyone-hs2s[ray]'") from error
    return ray


def _database() -> dict[str, str]:
    """The variables by which other machines find the database of this one."""
    import fiftyone as fo

    config: Any = fo.config
    if not config.database_uri:
        raise HS2SError(
            "other machines cannot reach the database that FiftyOne has started for this one: set"
            " FIFTYONE_DATABASE_URI to a MongoDB that all of them reach"
        )
    return {
        "FIFTYONE_DATABASE_URI": config.database_uri,
        "FIFTYONE_DATABASE_NAME": config.database_name,
    }


_known: dict[str, Work] = {}


def _do(key: str, packed: list[Any], task: Any) -> Any:
    """Does a task in a worker, which unpacks the work once."""
    if key not in _known:
        import ray

        _known.clear()
        _known[key] = pickle.loads(ray.get(packed[0]))
    return _known[key](task, lambda event: None)
