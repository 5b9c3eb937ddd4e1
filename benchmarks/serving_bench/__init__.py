"""What `benchmarks/serving.py` is made of: servers, load, processor time, and what is said of them."""
