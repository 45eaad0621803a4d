"""Bar charts as SVG. Their colours are the stylesheet's, so that they follow the page into the dark."""

from dataclasses import dataclass
from decimal import Decimal
from math import floor, log10
from typing import Sequence

from markupsafe import Markup, escape

from shop.face import number


@dataclass(frozen=True)
class Bar:
    label: str
    value: Decimal
    #: The value in words, for the tooltip and, in rows, beside the bar.
    shown: str


def ceiling(highest: Decimal) -> Decimal:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten, where an axis ends."""
    if highest <= 0:
        return Decimal(1)
    power = Decimal(10) ** floor(log10(highest))
    return next(power * step for step in map(Decimal, ("1", "2", "2.5", "5", "10")) if power * step >= highest)


def columns(title: str, bars: Sequence[Bar], width: int = 640, height: int = 200) -> Markup:
    """One column for each bar, from left to right; what is below zero hangs below the line."""
    lowest = min((bar.value for bar in bars), default=Decimal(0))
    top, bottom = ceiling(max((bar.value for bar in bars), default=Decimal(0))), ceiling(-lowest) if lowest < 0 else Decimal(0)
    left, foot = 56, 24
    room = height - foot - 10
    scale = room / float(top + bottom)
    zero = 10 + float(top) * scale
    # A few bars stand at the left, where a narrow screen shows them.
    step = min((width - left) / max(len(bars), 1), 90)
    parts = []
    for mark in [top, top / 2, Decimal(0), *([-bottom] if bottom else [])]:
        y = zero - float(mark) * scale
        parts.append(f'<line class="rule" x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{number(mark)}</text>')
    for place, bar in enumerate(bars):
        size = abs(float(bar.value)) * scale
        y = zero - size if bar.value >= 0 else zero
        middle, broad = left + (place + 0.5) * step, min(step * 0.7, 60)
        kind = "bar" if bar.value >= 0 else "bar below"
        where = f'x="{middle - broad / 2:.1f}" y="{y:.1f}" width="{broad:.1f}" height="{size:.1f}"'
        tip = escape(f"{bar.label}: {bar.shown}")
        parts.append(f'<rect class="{kind}" {where} rx="2"><title>{tip}</title></rect>')
        if place % max(1, -(-len(bars) // 6)) == 0:
            parts.append(f'<text x="{middle:.1f}" y="{height - 6}" text-anchor="middle">{escape(bar.label)}</text>')
    return drawn(title, width, height, parts)


def rows(title: str, bars: Sequence[Bar], width: int = 640) -> Markup:
    """One row for each bar, with its label before and its value after it."""
    left, right, tall = 190, 110, 30
    most = max((bar.value for bar in bars), default=Decimal(0))
    parts = []
    for place, bar in enumerate(bars):
        y = place * tall
        size = max(0.0, float(bar.value / most)) * (width - left - right) if most > 0 else 0
        label = bar.label if len(bar.label) <= 24 else bar.label[:23] + "\N{HORIZONTAL ELLIPSIS}"
        parts.append(f'<text x="{left - 10}" y="{y + 20}" text-anchor="end">{escape(label)}</text>')
        where = f'x="{left}" y="{y + 5}" width="{size:.1f}" height="{tall - 10}"'
        parts.append(f'<rect class="bar" {where} rx="2"><title>{escape(bar.label)}</title></rect>')
        parts.append(f'<text x="{left + size + 8:.1f}" y="{y + 20}">{escape(bar.shown)}</text>')
    return drawn(title, width, max(len(bars) * tall, 1), parts)


def drawn(title: str, width: int, height: int, parts: Sequence[str]) -> Markup:
    shape = f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}"'
    return Markup(f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" {shape}>{"".join(parts)}</svg>')
