"""The style: whatever is told by a colour can be told from what is behind it (WCAG 2.2 AA)."""

import re
from importlib.resources import files

import pytest

STYLE = files("server.pages").joinpath("templates/look.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", block))
    for block in re.findall(r":root\{(.*?)\}", STYLE, re.DOTALL)
)
TEXT, SHAPE = 4.5, 3.0


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_stands_out_from_what_it_is_on(colours: dict[str, str]) -> None:
    for hue in ("green", "amber", "red", "blue", "grey"):
        assert contrast(colours[hue], colours["card"]) >= TEXT
        assert contrast(colours[hue], colours[f"now-{hue}"]) >= SHAPE
        assert contrast(colours[f"bar-{hue}"], colours["card"]) >= SHAPE
        assert contrast(colours[f"bar-{hue}"], colours["paper"]) >= SHAPE
        for ink in ("ink", "soft"):
            assert contrast(colours[ink], colours[f"now-{hue}"]) >= TEXT
    for behind in ("card", "paper"):
        for ink in ("ink", "soft", "accent"):
            assert contrast(colours[ink], colours[behind]) >= TEXT


def test_the_sheet_asks_nobody_for_anything() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
