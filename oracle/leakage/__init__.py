"""Leaks: numbers that knew the result. What a column says of its own race that nobody could have known at the off.

Pure: columns, results and an expectation in; evidence and suspects out. Nothing here is told which column is guilty.
"""
