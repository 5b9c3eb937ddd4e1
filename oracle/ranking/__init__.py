"""What a good ranking is, and how it becomes prices: metrics, reports, calibration, the market, place and exotic odds.

Everything here is pure. Runners of all races lie in one contiguous array; `offsets` (int64[R + 1]) says that race r
owns the rows `offsets[r]:offsets[r + 1]`; what belongs to a runner is float64[N], what belongs to a race float64[R].
"""
