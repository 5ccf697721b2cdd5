"""AIPO, asynchronous importance-weighted policy optimisation: LlamaRL (arXiv 2505.24034).

    A_i  = R_i - mean
    loss = -1/(sum_i L_i) sum_i sum_t sg(min(r_it, cap)) A_i log pi(y_it)

TRL: loss_type cispo with the cap as ``epsilon_high``, scale_rewards none: CISPO without the spread, with a cap near 1.
The paper's ratio is that to the sampler: with vLLM its part between sampler and trainer is TRL's
``vllm_importance_sampling_correction``. The third system's "ratio" takes the gradient of what is above the cap away.
"""

from dataclasses import dataclass
from typing import Any

from ratchet.objectives.base import Objective, capped


@dataclass(frozen=True)
class Aipo(Objective):
    """Weights capped from above alone, advantages without the spread."""

    cap: float = 2.0

    name = "aipo"
    paper = "LlamaRL, arXiv 2505.24034"
    because = {"epsilon_high": "TRL's epsilon_high is the cap itself here; write objective: {name: aipo, cap: ...}"}

    def arguments(self) -> dict[str, Any]:
        """Weighted log-probabilities, a mean over all tokens."""
        return capped("none", self.cap)
