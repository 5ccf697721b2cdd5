"""The predicted memory is the memory that training takes; benchmarks/memory.py shows it for runs of all kinds."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.apart
@pytest.mark.parametrize("name", ["SFT, float32 weights, bfloat16 autocast", "GRPO, LoRA, bfloat16", "SFT, ZeRO-2"])
def test_the_predicted_peak_is_within_a_tenth_of_the_allocators(name, tmp_path):
    spec = importlib.util.spec_from_file_location("memory_benchmark", BENCHMARKS / "memory.py")
    benchmark = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    found = benchmark.measure(*benchmark.CASES[name], "cpu", tmp_path)
    assert found["predicted"] == pytest.approx(found["measured"], rel=0.1)
