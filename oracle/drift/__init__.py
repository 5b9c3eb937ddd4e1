"""Notice that racing, or what the model makes of it, is no longer what it was.

Everything that is measured of a window of races is a value that adds (`a + b`): one block, one file, one node or a
cluster run the same code. A verdict has three outcomes, each with its cause: drift, no drift, could not measure.
"""
