"""Training of HS2S networks on DAVIS-layout folders, pictures and FiftyOne datasets: ``hs2s train --help``.

This folder is the package ``fiftyone_hs2s.training``: through a link in a clone, moved there in a wheel.
"""
