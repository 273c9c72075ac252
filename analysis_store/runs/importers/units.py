"""Units in the text after the name of a column, which may also contain a comment."""

from __future__ import annotations

import re

_PREFIX = "[fpnuµμmckKMG]?"
_SYMBOL = "(?:[eE][vV]|Pa|Hz|bar|rad|mol|[AVWJCFHNmsgKL])"
_WORD = (
    "counts?|cts?|cps|photons|pp[mb]|percent|arb\\.?|arbitrary|units?|a\\.u\\.|arb\\.u\\.|au|dimensionless|unitless|"
    "secs?|seconds?|msec|minutes?|hours?|hrs?|days?|deg\\.?|degrees?|mdeg|radians?|steps?|pixels?|px|bits?|inverse|"
    "(?:pico|nano|micro|milli|centi|kilo|mega|giga)?(?:electron)?(?:volts?|amps?|amperes?|watts?|joules?|meters?|metres?|"
    "grams?|hertz|pascals?|ohms?|moles?|bar)|"
    "microns?|angstroms?|inch|inches|kelvin|celsius|fahrenheit|tesla|gauss|torr|psi|atm|rpm|[°ÅÅΩΩ%]C?|1"
)
_POWER = r"(?:(?:\^|\*\*)?[({]?[+-]?\d[)}]?)?"
_PART = re.compile(f"(?:{_PREFIX}{_SYMBOL}|(?i:{_WORD})|{_PREFIX}[ÅÅΩΩ]){_POWER}")
_BETWEEN = re.compile(r"\s*[/*·]\s*|\s+per\s+|\s+")
_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")


def is_units(text: str) -> bool:
    """Return True if a text consists of units only; very short texts may be units even if unknown.

    Examples
    --------
    >>> [is_units(text) for text in ("keV", "counts per second", "1/Å", "Oe", "corrected", "log(I0/It)")]
    [True, True, True, True, False, False]
    """
    return len(text) == 1 or (len(text) == 2 and not text.islower()) or _known(text)


def _known(text: str) -> bool:
    return all(_PART.fullmatch(part) for part in _BETWEEN.split(text))


def split_units(text: str) -> tuple[str, str]:
    """Return the units that a text begins with, and the rest of it; either may be empty.

    Units in brackets are found further on as well; the rest is then the whole text. A symbol of one letter begins many
    a comment (``A foil``, ``K edge``): it is units only if no word follows.

    Examples
    --------
    >>> split_units("eV"), split_units("(corrected for deadtime)"), split_units("nA, upstream")
    (('eV', ''), ('', '(corrected for deadtime)'), ('nA', 'upstream'))
    """
    text = text.strip()
    bracketed = _BRACKETS.match(text)
    units, rest = (bracketed[1].strip(), text[bracketed.end() :].strip()) if bracketed else (text, "")
    if is_units(units):
        return units, rest
    words = [] if bracketed else text.split()
    for count in range(len(words) - 1, 0, -1):
        begin, rest = " ".join(words[:count]), " ".join(words[count:])
        units = begin.rstrip(",;:")
        if _known(units) and (len(units) > 1 or units != begin or not rest[0].isalnum()):
            return units, rest
    return next((found[1] for found in _BRACKETS.finditer(text) if len(found[1]) > 1 and _known(found[1])), ""), text
