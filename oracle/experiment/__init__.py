"""Two versions on the same races: who is assigned to which arm, how many races it takes, and what was seen.

A race's result does not depend on which prediction a user saw, so both versions are judged on every race and compared
race by race; only what users feel (latency, failures, what they do) needs the random split.
"""
