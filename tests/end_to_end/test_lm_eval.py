"""The real lm-evaluation-harness in its own environment, on Ratchet's rows."""

import json

import pytest

from ratchet.errors import UserError
from ratchet.integrations.lm_eval import LM_EVAL

pytestmark = pytest.mark.apart


def test_the_harness_gets_the_same_answers_and_reads_them_by_itself(script, tmp_path):
    try:
        LM_EVAL.python()
    except UserError as error:
        pytest.skip(f"no lm-eval: {str(error).splitlines()[0]}")
    few = ("--data.generated.validation", "40", "--evaluation.max_rows", "40", "--use_cpu", "true")
    done = script("ratchet", "lm-eval", "recipes/demo.yaml", "--model", "ratchet-tiny", *few)
    assert done.stdout.count("| 40 of 40 | 40 of 40 |") == 2 and "| aquarat_letters |" in done.stdout
    result = json.loads((tmp_path / "outputs/evaluations/ratchet-tiny/lm-eval-aquarat-validation.json").read_text())
    assert {name: one["n"] for name, one in result["tasks"].items()} == {
        "aquarat_strict": 40,
        "aquarat_flexible": 40,
        "aquarat_letters": 40,
    }
