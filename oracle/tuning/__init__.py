"""Sweeps: what may be searched and how a trial is judged (pure), and the search itself on Ray Tune with MLflow."""
