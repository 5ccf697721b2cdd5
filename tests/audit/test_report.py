"""An audit's outcome as JSON and as a page."""

import json

from small_audit import CORRECT, Capitals, any_letter, found, rewarding

from ratchet.audit import RecipeRewards, audit
from ratchet.audit.page import page


def test_json_holds_every_policy_and_finding():
    report = found(rewarding(any_letter))
    known = json.loads(json.dumps(report.as_dict()))
    assert not known["passed"] and known["rows"] == 40
    assert {policy["kind"] for policy in known["policies"]} == {"gold", "ignorant", "hack"}
    assert all(set(policy["components"]) == {"any_letter"} for policy in known["policies"])


def test_the_page_stands_alone_and_escapes_what_it_shows():
    report = audit(
        Capitals((("<b>", "<i>x</i>"), ("b", "yy"))),
        Capitals((("<b>", "<i>x</i>"), ("b", "yy"))).load("t").rows,
        RecipeRewards([CORRECT], 64),
        64,
        "<t>",
    )
    html = page(report)
    assert "http" not in html and "<i>x</i>" not in html and "&lt;t&gt;" in html
