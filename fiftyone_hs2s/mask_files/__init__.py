"""Reading masks from files: what their pixels mean, which frames and sequences they belong to."""
