"""From bytes to text when nobody says the charset: BOM, UTF-16/32 by their NULs, strict UTF-8, broken UTF-8, then statistics."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import chardet

SAMPLE = 64 * 1024

_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"+/v8", "utf-7"),
    (b"+/v9", "utf-7"),
    (b"+/v+", "utf-7"),
    (b"+/v/", "utf-7"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:\-]{2,40})""", re.IGNORECASE)
# DOS and Mac code pages win chardet's vote on short Western texts far more often than they occur (measured).
_SELDOM = ("ibm", "cp4", "cp7", "cp8", "mac", "johab", "tis", "hp-roman", "cp1006", "kz1048", "ptcp154")


_NO_CHARSETS = frozenset({"unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "mbcs", "oem", "utf-7"})


@dataclass(frozen=True, slots=True)
class Charset:
    """`name` is Python's codec; `bom` how many bytes to leave out; `lossy` when bytes do not fit and become U+FFFD."""

    name: str
    bom: int = 0
    lossy: bool = False


def charset(head: bytes, *, declared: str | None = None, complete: bool = True) -> Charset:
    """The charset of a text that begins with `head`. Never raises. `declared` is tried after what the bytes prove."""
    for bom, marked in _BOMS:
        if head.startswith(bom) and (marked != "utf-7" or _fits(head, marked, complete)):
            # The mark of UTF-7 is part of its first group of letters.
            return Charset(marked, 0 if marked == "utf-7" else len(bom))
    sample = head[:SAMPLE]
    complete = complete and len(head) <= SAMPLE
    wide = _wide(sample)
    if wide is not None:
        return Charset(wide)
    if _fits(sample, "utf-8", complete):
        # All ASCII fits as well; ISO-2022 and HZ hide in seven bits behind escapes.
        escaped = _escaped(sample)
        return Charset(escaped) if escaped else Charset("utf-8")
    for claim in (declared, _claim(sample)):
        name = _known(claim)
        if name is not None and name not in ("utf-8", "ascii") and _fits(sample, name, complete) and not _odd(sample, name):
            return Charset(name)
    good, bad, high = _utf8_census(sample)
    if good > 0 and (good * 2 >= bad or (good * 4 >= bad and high < len(sample) // 4)):
        return Charset("utf-8", lossy=True)
    guess = _known(chardet.detect(sample).get("encoding"))
    if guess is None or (guess.startswith(_SELDOM) and _fits(sample, "cp1252", complete)):
        guess = "cp1252"
    if guess in ("ascii", "iso8859-1", "latin-1"):
        guess = "cp1252"
    if _fits(sample, guess, complete):
        return Charset(guess)
    return Charset(guess if guess != "utf-8" else "cp1252", lossy=True)


def decode(data: bytes, declared: str | None = None) -> str:
    """The whole of `data` as text, without BOM. Bytes that do not fit become U+FFFD."""
    found = charset(data, declared=declared)
    return data[found.bom :].decode(found.name, "replace")


def decoder(found: Charset) -> codecs.IncrementalDecoder:
    """For text that is read in pieces; skip `found.bom` bytes first."""
    return codecs.getincrementaldecoder(found.name)("replace")


def is_text(head: bytes, found: Charset) -> bool:
    """Whether `head`, read by `found`, looks like something a person wrote: few control characters, few misfits."""
    text = head[found.bom : SAMPLE].decode(found.name, "replace")
    if not text:
        return True
    odd = sum(1 for character in text if character < " " and character not in "\t\n\r\f\x0b\x1b\x00")
    nuls = text.count("\x00")
    misfits = text.count("\ufffd")
    # Private characters are signs of a wrong guess, or icons of a page that is UTF-8 beyond doubt.
    guessed = found.name != "utf-8" or found.lossy
    strange = sum(1 for character in text if "\x80" <= character <= "\x9f" or (guessed and "\ue000" <= character <= "\uf8ff"))
    return odd * 50 <= len(text) and nuls * 5 <= len(text) and misfits * 10 <= len(text) and strange * 20 <= len(text)


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without BOM, by where the NULs (or the high bytes of one script) stand."""
    if len(sample) < 4 or b"\x00" not in sample:
        return None
    size = len(sample) // 4 * 4
    columns = [sample[index:size:4].count(0) / (size / 4) for index in range(4)]
    if columns[2] > 0.9 and columns[3] > 0.9 and columns[0] < 0.3 and _fits(sample[:size], "utf-32-le", False):
        return "utf-32-le"
    if columns[0] > 0.9 and columns[1] > 0.9 and columns[3] < 0.3 and _fits(sample[:size], "utf-32-be", False):
        return "utf-32-be"
    even, odd = (columns[0] + columns[2]) / 2, (columns[1] + columns[3]) / 2
    for name, here, there in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        # Text in a script without ASCII still has NUL beside its spaces and line ends.
        if here > 0.02 and here > 8 * there and _fits(sample[: len(sample) // 2 * 2], name, False):
            decoded = sample[: len(sample) // 2 * 2].decode(name, "replace")
            plausible = sum(1 for character in decoded if character.isprintable() or character in "\t\r\n")
            if plausible * 10 >= len(decoded) * 9:
                return name
    return None


def _fits(sample: bytes, name: str, complete: bool) -> bool:
    try:
        codecs.getincrementaldecoder(name)("strict").decode(sample, complete)
    except (UnicodeDecodeError, LookupError, ValueError):
        return False
    return True


def _escaped(sample: bytes) -> str | None:
    if b"\x1b$" in sample or b"\x1b(" in sample:
        for name in ("iso2022_jp", "iso2022_jp_2", "iso2022_kr"):
            if _fits(sample, name, False) and sample.decode(name, "replace") != sample.decode("ascii", "replace"):
                return name
    if b"~{" in sample and b"~}" in sample and _fits(sample, "hz", False):
        text = sample.decode("hz", "replace")
        if sum(1 for character in text if "\u4e00" <= character <= "\u9fff") * 5 > len(text):
            return "hz"
    return None


def _claim(sample: bytes) -> str | None:
    found = _DECLARED.search(sample[:2048])
    return found.group(1).decode("ascii") if found else None


def _known(name: str | None) -> str | None:
    if not name:
        return None
    try:
        info = codecs.lookup(name.strip("\"' "))
    except (LookupError, ValueError):
        return None
    # Codecs that are no charsets (base64, zip, idna ...) must not run on what a file claims.
    return info.name if getattr(info, "_is_text_encoding", True) and info.name not in _NO_CHARSETS else None


def _odd(sample: bytes, name: str) -> bool:
    """A charset that fits but makes control characters of letters was claimed wrongly."""
    text = sample.decode(name, "replace")
    return sum(1 for character in text if "\x80" <= character <= "\x9f") * 50 > len(text)


def _utf8_census(sample: bytes) -> tuple[int, int, int]:
    """(valid non-ASCII sequences, bytes that fit nowhere, bytes of 128 and above)."""
    text = sample.decode("utf-8", "surrogateescape")
    bad = sum(1 for character in text if "\udc80" <= character <= "\udcff")
    good = sum(1 for character in text if character > "\x7f") - bad
    return good, bad, sum(1 for byte in sample if byte > 127)
