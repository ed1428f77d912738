"""Samples of a call stack, as a flame graph (SVG that a browser can search) and as a speedscope document."""

from __future__ import annotations

import collections
import dataclasses
import html
import json
from collections.abc import Mapping, Sequence

Stack = tuple[str, ...]  # Outermost first.

WIDTH, ROW, FONT = 1200, 18, 12
_COLOURS = ("#e8a33d", "#d98c3a", "#f0b95c", "#c97b3b", "#e6c068", "#d9a05b")


@dataclasses.dataclass
class _Frame:
    name: str
    samples: int = 0
    inner: dict[str, _Frame] = dataclasses.field(default_factory=dict)


def flame_graph(stacks: Mapping[Stack, int], title: str) -> str:
    """Draws one box per frame, as wide as its share of the samples, with its callees on top.

    >>> "100.0%" in flame_graph({("a", "b"): 3}, "t")
    True
    """
    root = _Frame(title)
    for stack, count in stacks.items():
        root.samples += count
        frame = root
        for name in stack:
            frame = frame.inner.setdefault(name, _Frame(name))
            frame.samples += count
    depth = max((len(stack) for stack in stacks), default=0) + 1
    height = (depth + 1) * ROW + 30
    boxes: list[str] = []
    _draw(root, 0.0, 0, max(root.samples, 1), height - ROW - 8, boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="monospace" font-size="{FONT}">\n<rect width="100%" height="100%" fill="#fffdf8"/>\n'
        f'<text x="8" y="18" font-weight="bold">{html.escape(title)}: {root.samples} samples</text>\n' + "\n".join(boxes) + "\n</svg>\n"
    )


def _draw(frame: _Frame, left: float, level: int, total: int, bottom: float, boxes: list[str]) -> None:
    width = frame.samples / total * WIDTH
    if width < 0.5:
        return
    top = bottom - level * ROW
    share = f"{100 * frame.samples / total:.1f}%"
    fits = int(width / (FONT * 0.62))
    label = html.escape(frame.name[:fits]) if fits > 2 else ""
    colour = _COLOURS[sum(frame.name.encode()) % len(_COLOURS)]
    boxes.append(
        f"<g><title>{html.escape(frame.name)} ({share}, {frame.samples} samples)</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(width - 0.5, 0.5):.1f}" height="{ROW - 1}" fill="{colour}" rx="1"/>'
        f'<text x="{left + 3:.1f}" y="{top + ROW - 5:.1f}">{label}</text></g>'
    )
    for inner in sorted(frame.inner.values(), key=lambda each: each.name):
        _draw(inner, left, level + 1, total, bottom, boxes)
        left += inner.samples / total * WIDTH


def speedscope(stacks: Mapping[Stack, int], title: str, seconds_per_sample: float) -> str:
    """The samples in speedscope's file format, to be opened in that viewer."""
    names: dict[str, int] = collections.defaultdict(lambda: len(names))
    samples: list[Sequence[int]] = []
    weights: list[float] = []
    for stack, count in stacks.items():
        samples.append([names[name] for name in stack])
        weights.append(count * seconds_per_sample)
    return json.dumps(
        {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "shared": {"frames": [{"name": name} for name in names]},
            "profiles": [
                {"type": "sampled", "name": title, "unit": "seconds", "startValue": 0, "endValue": sum(weights), "samples": samples,
                 "weights": weights}
            ],
        }
    )  # fmt: skip
