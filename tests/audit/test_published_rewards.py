"""The two published rewards, on real rows."""

import pytest
from small_audit import ROOT, failed

from ratchet.audit.gate import audit_recipe
from ratchet.recipe import load_recipe
from ratchet.tasks import load_split


def legacy(recipe, function, *overrides, every=1):
    recipe = load_recipe(ROOT / recipe, overrides)
    rows = load_split(recipe.task, "validation").rows[::every]
    return audit_recipe(recipe, rows, f"{ROOT}/docs/legacy/rewards.py:{function}", plain=True)


def test_nanochat_aquarat_pays_gold_too_little_and_a_constant_what_was_published(aqua_folder):
    report = legacy("recipes/aquarat.yaml", "nanochat_aquarat", ("data.source", str(aqua_folder)))
    assert {"gold-below-maximum", "ignorance-pays", "hack-pays"} <= failed(report)
    assert report.tally.lines["always A"].correct == 69 and report.tally.rows == 254  # the published result: 0.2717


@pytest.mark.apart
def test_dakota_additive_pays_copying_more_than_the_trained_model_earned(dakota_folder):
    report = legacy("docs/legacy/dakota.yaml", "dakota_additive", ("data.source", str(dakota_folder)), every=5)
    names = {
        "gold-below-maximum",
        "ignorance-pays",
        "silence-pays",
        "reasoning-costs",
        "gold-in-prompt",
        "several-golds",
        "placeholder-gold",
    }
    assert names <= failed(report)
    lines = report.tally.lines
    assert lines["what follows the last colon"].mean > 0.349  # the published reward after training
    assert lines["empty"].mean == pytest.approx(0.245, abs=0.01)
    assert lines["gold, as the prompt asks"].mean == pytest.approx(0.846, abs=0.01)
