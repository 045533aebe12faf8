"""Training of HS2S networks on DAVIS-layout folders, pictures and FiftyOne datasets: ``python -m training --help``."""
