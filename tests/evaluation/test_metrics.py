"""The two metrics of the library ``evaluate``."""

import pytest

from ratchet.evaluation.metrics import chrf, exact_match


def test_exact_match_is_a_share_of_answers_equal_to_the_letter():
    assert exact_match(["A", "B ", None, "D"], ["A", "B", "C", "D"]) == 0.5


def test_chrf_lies_between_nothing_and_everything_in_common():
    assert chrf(["wowapi"], ["wowapi"]) == pytest.approx(1.0)
    assert chrf([None], ["wowapi"]) == 0.0
    assert 0.0 < chrf(["wowapi"], ["wowapi kin"]) < 1.0
