"""Watching a model at work: its races as drift tables, what it was used to, and what it is asked now."""
