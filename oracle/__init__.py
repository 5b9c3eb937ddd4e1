"""Equine Oracle: from race results to served, calibrated win and place probabilities, kept good by a closed loop."""

from importlib.metadata import version

__version__ = version("equine-oracle")
