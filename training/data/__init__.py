"""Where clips come from: DAVIS-layout videos, and single pictures that are moved into clips."""
