"""Tracked masks as the files that other tools read: no FiftyOne, and nothing but masks, names and numbers."""
