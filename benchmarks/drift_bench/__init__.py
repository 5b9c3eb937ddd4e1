"""What `benchmarks/drift.py` measures, each in a process of its own."""
