"""Masks of a dataset as files of other tools, as videos, and as FiftyOne's other kinds of mask labels."""
