"""Training of the HS2S networks: data sources, losses, schedules and the loop (HS2S.md sections 4 and 5)."""
