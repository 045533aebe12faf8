"""Training of the network that makes masks of boxes and points."""
