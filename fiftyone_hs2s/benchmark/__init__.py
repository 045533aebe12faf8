"""Whole benchmarks: a data set's folder in, the table of its protocol and the zip for its server out."""

from __future__ import annotations

from fiftyone_hs2s.benchmark.benchmark_data import BenchmarkData, find_benchmark
from fiftyone_hs2s.benchmark.benchmark_result import BenchmarkResult
from fiftyone_hs2s.benchmark.run_benchmark import run_benchmark

__all__ = ["BenchmarkData", "BenchmarkResult", "find_benchmark", "run_benchmark"]
