"""Every figure has one definition, and the documented page is that of the code."""

from ratchet.record import catalogue


def test_the_documented_page_is_made_from_the_definitions(root):
    assert (root / "docs/metrics.md").read_text(encoding="utf-8") == catalogue.page() + "\n", (
        "python -m ratchet.record.catalogue > docs/metrics.md"
    )


def test_every_definition_says_what_it_is_and_is_found_by_its_own_name():
    for metric in catalogue.METRICS:
        assert metric.formula and metric.title and metric.when in catalogue.CADENCES
        assert catalogue.is_own(metric.name)
        assert (
            catalogue.find(
                metric.name.replace("<i>", "3")
                .replace("<k>", "4")
                .replace("<letter>", "B")
                .replace("<phase>", "rollout")
            )
            is metric
        )


def test_trls_own_figures_are_not_taken_for_ours():
    assert not any(
        catalogue.is_own(name)
        for name in ("loss", "reward", "kl", "completions/mean_length", "rewards/correctness/mean", "eval_loss")
    )
