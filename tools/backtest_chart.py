"""Draws what a rule finds in a series: above, what was measured and expected; below, what the rule looks at; firings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from math import ceil, log10

_WIDTH, _LEFT, _RIGHT = 1040, 70, 20
_SVG = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} 486" font-family="system-ui, sans-serif" font-size="14"'
_UPPER, _LOWER = (84, 300), (338, 452)
_STYLE = (
    ".title{font-weight:600;fill:#1d2733}.note{font-size:12px;fill:#47566b}.axis{stroke:#c9d3df;stroke-width:1}"
    ".measured{fill:none;stroke:#2f6db3;stroke-width:1.5}"
    ".baseline{fill:none;stroke:#b98a24;stroke-width:1.5;stroke-dasharray:5 4}"
    ".value{fill:none;stroke:#47566b;stroke-width:1.5}.limit{stroke:#c0392b;stroke-width:1;stroke-dasharray:2 3}"
    ".firing{fill:#c0392b;fill-opacity:.18}"
)
#: Lines between ticks that are easy to read: 1, 2 or 5 times a power of ten.
_STEPS = (1, 2, 5, 10)
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of a series; what is undefined is None. Values are in the unit that the chart names."""

    at: datetime
    measured: float | None
    baseline: float | None
    value: float | None
    firing: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A series by day, in order, with words: what it is, where it comes from, and the names of what is drawn."""

    title: str
    source: str
    measured: str
    baseline: str
    value: str
    fire_at: float
    points: Sequence[Point]


def draw(chart: Chart) -> str:
    """Return the chart as SVG."""
    values = [p.value for p in chart.points if p.value is not None]
    upper = _scale(_UPPER, 0, max(_defined(chart.points), default=1))
    lower = _scale(_LOWER, min([0, chart.fire_at, *values]), max([0, chart.fire_at, *values]))
    parts = [
        f'<svg {_SVG} role="img" aria-label="{escape(chart.title)}">',
        f"  <style>{_STYLE}</style>",
        f'  <rect width="{_WIDTH}" height="486" fill="#f7f9fb"/>',
        _text(_LEFT, 28, chart.title, "title"),
        _text(_LEFT, 48, chart.source, "note"),
        *_firings(chart.points),
        *_months(chart.points),
        *_ticks(upper),
        *_ticks(lower),
        *_line(chart.points, lambda p: p.baseline, upper, "baseline"),
        *_line(chart.points, lambda p: p.measured, upper, "measured"),
        *_line(chart.points, lambda p: p.value, lower, "value"),
        f'  <path class="limit" d="M{_LEFT} {lower(chart.fire_at):.1f}H{_WIDTH - _RIGHT}"/>',
        *_legend(chart),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values are between `low` and `high`, drawn from `bottom` to `top`."""

    bottom: float
    top: float
    low: float
    high: float
    step: float

    def __call__(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


def _scale(place: tuple[int, int], low: float, high: float) -> _Scale:
    top, bottom = place
    rough = (high - low or 1) / _TICKS
    power = 10.0 ** int(log10(rough) - (rough < 1))
    step = next(s * power for s in _STEPS if s * power >= rough)
    return _Scale(bottom, top, -ceil(-low / step) * step if low < 0 else 0, ceil((high or 1) / step) * step, step)


def _ticks(scale: _Scale) -> Iterator[str]:
    for n in range(round((scale.high - scale.low) / scale.step) + 1):
        value = scale.low + n * scale.step
        y = scale(value)
        yield f'  <path class="axis" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        yield _text(_LEFT - 8, y + 4, f"{value:g}", "note", "end")


def _months(points: Sequence[Point]) -> Iterator[str]:
    """Yield a mark at the first day of each month."""
    for i, point in enumerate(points):
        if point.at.day == 1:
            x = _x(points, i)
            yield f'  <path class="axis" d="M{x:.1f} {_UPPER[0]}V{_UPPER[1]}M{x:.1f} {_LOWER[0]}V{_LOWER[1]}"/>'
            if point.at.month % _every(points) == 1 % _every(points):
                yield _text(x, 472, f"{point.at:%Y-%m}", "note", "middle")


def _every(points: Sequence[Point]) -> int:
    """Return how many months are between two that are named."""
    months = len(points) / 30
    return next(n for n in (1, 2, 3, 6, 12) if months / n <= 12 or n == 12)  # noqa: PLR2004  # a dozen words fit side by side


def _firings(points: Sequence[Point]) -> Iterator[str]:
    began: int | None = None
    for i, point in enumerate((*points, None)):
        if point is not None and point.firing and began is None:
            began = i
        if began is not None and (point is None or not point.firing):
            left, right = _x(points, began - 0.5), _x(points, i - 0.5)
            for top, bottom in (_UPPER, _LOWER):
                yield f'  <rect class="firing" x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="{bottom - top}"/>'
            began = None


def _line(points: Sequence[Point], of: Callable[[Point], float | None], scale: _Scale, name: str) -> Iterator[str]:
    """Yield a line through what is defined, with a gap where it is not."""
    path, is_down = "", False
    for i, point in enumerate(points):
        value = of(point)
        if value is not None:
            path += f"{'L' if is_down else 'M'}{_x(points, i):.1f} {scale(value):.1f}"
        is_down = value is not None
    if path:
        yield f'  <path class="{name}" d="{path}"/>'


def _legend(chart: Chart) -> Iterator[str]:
    rows = ((chart.measured, "measured", 66, 0), (chart.baseline, "baseline", 66, 360), (chart.value, "value", 326, 0))
    for words, name, y, along in rows:
        if words:
            yield f'  <path class="{name}" d="M{_LEFT + along} {y - 4}h28"/>'
            yield _text(_LEFT + along + 36, y, words, "note")
    yield f'  <rect class="firing" x="{_WIDTH - _RIGHT - 200}" y="56" width="28" height="12"/>'
    yield _text(_WIDTH - _RIGHT - 164, 66, "an alert is open", "note")


def _defined(points: Sequence[Point]) -> list[float]:
    return [value for p in points for value in (p.measured, p.baseline) if value is not None]


def _x(points: Sequence[Point], i: float) -> float:
    return _LEFT + max(i, 0) / max(len(points) - 1, 1) * (_WIDTH - _LEFT - _RIGHT)


def _text(x: float, y: float, words: str, name: str, anchor: str = "start") -> str:
    return f'  <text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
