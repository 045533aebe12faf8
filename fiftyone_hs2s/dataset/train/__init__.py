"""Fine-tune a model on a dataset's own masks."""
