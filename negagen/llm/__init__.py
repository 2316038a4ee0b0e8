"""Negatives by language models: prompts, back ends, reading of answers. Nothing here is imported by the core."""
