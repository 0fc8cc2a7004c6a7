"""The hypergeometric function, for many arguments at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Elements that are summed together: they stay in the processor's cache, and those that need few terms wait for few others.
_BLOCK = 4096
#: Terms until a sum is given up. The fits' furthest parameters need half of them.
_TERMS = 100_000
#: What a term adds at least, relative to the sum.
_PRECISION = 1e-15


def hyp2f1(first: float, second: float, third: Array, z: Array) -> Array:
    """Return 2F1(first, second; third; z), elementwise, for 0 <= z < 1 and third > 0, summed until nothing is added any more.

    Fastest where neighbours have about the same z.
    """
    return np.concatenate(
        [np.ones(0), *(_sum(first, second, third[n : n + _BLOCK], z[n : n + _BLOCK]) for n in range(0, len(z), _BLOCK))]
    )


def _sum(first: float, second: float, third: Array, z: Array) -> Array:
    term, total = np.ones_like(z), np.ones_like(z)
    factor = np.empty_like(z)
    for n in range(_TERMS):
        np.add(third, n, out=factor)
        np.divide(z, factor, out=factor)
        factor *= (first + n) * (second + n) / (n + 1)
        term *= factor
        total += term
        if (np.abs(term) <= _PRECISION * np.abs(total)).all():
            break
    return total
