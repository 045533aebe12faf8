"""Score propagated masks: the evaluation backend, its results, and comparisons of them."""
