"""The FiftyOne side: datasets in, propagated labels out."""
