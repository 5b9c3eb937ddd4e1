"""`oracle model`: which versions there are, what served when, and who lets which one go into service."""

from __future__ import annotations
