"""Propagate masks through the videos of a dataset: prompts, plan, model, status."""
