"""The colours of a player: skin, hair, clothes, racket, and the ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttdemo.render.paint import Rgb


@dataclass(frozen=True)
class Look:
    """Colours of one player, R, G, B in 0…255."""

    skin: Rgb
    hair: Rgb
    shirt: Rgb
    trim: Rgb
    shorts: Rgb
    shoes: Rgb
    rubber: tuple[Rgb, Rgb]
    ball: Rgb


def make_look(rng: np.random.Generator) -> Look:
    """Choose the colours of a player at random."""
    people: list[tuple[Rgb, Rgb]] = [
        ((226, 178, 148), (120, 86, 52)),
        ((222, 172, 140), (72, 48, 32)),
        ((206, 154, 118), (40, 28, 22)),
        ((176, 122, 88), (34, 26, 24)),
        ((136, 92, 66), (28, 24, 24)),
    ]

    def pick(colours: list[Rgb], spread: float) -> Rgb:
        r, g, b = np.clip(colours[int(rng.integers(len(colours)))] + rng.uniform(-spread, spread, 3), 8, 246)
        return float(r), float(g), float(b)

    skin, hair = people[int(rng.integers(len(people)))]
    skin, hair = pick([skin], 6), pick([hair], 5)
    reds: list[Rgb] = [(196, 40, 44), (226, 170, 40), (120, 50, 130)]
    blues: list[Rgb] = [(34, 74, 168), (34, 122, 74), (40, 44, 54)]
    shirt = pick(reds + blues, 14)
    trim = (236.0, 236.0, 232.0) if sum(shirt) < 420 else (40.0, 44.0, 60.0)
    return Look(
        skin,
        hair,
        shirt,
        trim,
        pick([(28, 30, 38), (34, 42, 78), (60, 62, 68)], 8),
        pick([(220, 220, 216), (54, 58, 66)], 8),
        ((206, 38, 40), (30, 28, 30)),
        pick([(246, 244, 236), (250, 150, 40)], 4),
    )
