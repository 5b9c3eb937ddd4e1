"""The parts of `benchmarks/outage.py`: a plant of one's own with real servers, and users who ask it for cards."""
