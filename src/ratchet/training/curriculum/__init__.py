"""Which prompts are sampled, and how: stages, rest for prompts that teach nothing, sampling again, temperature."""
