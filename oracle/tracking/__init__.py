"""What a training run records: the catalogue of names (pure), where it came from, and the recording itself (MLflow)."""
