"""A model trained anew by itself: when, by which steps, and how it comes into service."""
