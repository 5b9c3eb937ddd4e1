"""A new model without a person at the keyboard: when to learn again, how a candidate proves itself, and its way in.

What is decided (`trigger`, `validation`) is pure; what is done (`pipeline` and its steps) is a list of recorded steps
that goes on wherever it was cut off.
"""
