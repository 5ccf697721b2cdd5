"""Steps that compute nothing for nothing: which rows share a pass through the model, on which process, at which width.

``passes`` decides that from lengths alone, ``conditions`` says what may be left out or moved without changing a loss,
``rows`` moves tensors, ``figures`` adds up what was saved, and ``trainers/lean_grpo`` is where TRL meets all of it.
"""
