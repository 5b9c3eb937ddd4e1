"""What a feature program is made of: its operations, and the compiled loop that does them for the runners of cards.

Both stand in one file because what was compiled is kept until this file changes: an operation renumbered elsewhere
would leave a loop behind that takes one for another.
"""

from __future__ import annotations

import numpy as np

from oracle.compiled import compiled
from oracle.features import within

LOAD, CONSTANT, ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, NEGATIVE, ISNAN, KNOWN_OR_ZERO = range(11)
CENTRED, AHEAD, LEAD = range(11, 14)
LOG, LOG1P = range(14, 16)
CARD, MEAN, WEIGHT, LAST, RATING = range(5)
"""Where a value is loaded from: the card, or one of the four tables that a state reads."""

LARGEST = float(np.finfo(np.float64).max)


@compiled(error_model="numpy")
def run(steps, constants, offsets, card, means, weights, last, ratings, of_mean, of_weight, of_last, values):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill `values`, float64[S, N], with what each step makes of the steps before it, of the card and of the tables."""
    runners = values.shape[1]
    for k in range(len(steps)):
        at, operation, a, b = steps[k, 0], steps[k, 1], steps[k, 2], steps[k, 3]
        out = values[at]
        if operation == LOAD:
            for i in range(runners):
                if a == CARD:
                    out[i] = card[b, i]
                elif a == MEAN:
                    out[i] = means[i, of_mean[b]]
                elif a == WEIGHT:
                    out[i] = weights[i, of_weight[b]]
                elif a == LAST:
                    out[i] = last[i, of_last[b]]
                else:
                    out[i] = ratings[i, b]
        elif operation == CONSTANT:
            out[:] = constants[at]
        elif operation == ADD:
            for i in range(runners):
                out[i] = values[a, i] + values[b, i]
        elif operation == SUBTRACT:
            for i in range(runners):
                out[i] = values[a, i] - values[b, i]
        elif operation == MULTIPLY:
            for i in range(runners):
                out[i] = values[a, i] * values[b, i]
        elif operation == DIVIDE:
            for i in range(runners):
                out[i] = values[a, i] / values[b, i]
        elif operation == MAXIMUM:
            for i in range(runners):
                x, y = values[a, i], values[b, i]
                out[i] = x if x >= y or x != x else y
        elif operation == MINIMUM:
            for i in range(runners):
                x, y = values[a, i], values[b, i]
                out[i] = x if x <= y or x != x else y
        elif operation == NEGATIVE:
            for i in range(runners):
                out[i] = -values[a, i]
        elif operation == ISNAN:
            for i in range(runners):
                out[i] = 1.0 if np.isnan(values[a, i]) else 0.0
        elif operation == KNOWN_OR_ZERO:
            for i in range(runners):
                x = values[a, i]
                out[i] = 0.0 if np.isnan(x) else max(min(x, LARGEST), -LARGEST)
        else:
            _compare(operation, values[a], offsets, out)


@compiled()
def _compare(operation, x, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    out[:] = np.nan
    if operation == CENTRED:
        within._mean(x, offsets, out)
        for i in range(len(x)):
            out[i] = x[i] - out[i]
    elif operation == AHEAD:
        within._ahead(x, offsets, out)
    else:
        within._lead(x, offsets, out)


@compiled()
def tell(values, results, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill `out`, float32[N, F], with the results; NaN where infinite."""
    for i in range(len(out)):
        for f in range(len(results)):
            value = np.float32(values[results[f], i])
            out[i, f] = np.nan if np.isinf(value) else value
