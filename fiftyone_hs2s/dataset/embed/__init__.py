"""What tracked objects look like: embeddings, and tracks that are alike."""
