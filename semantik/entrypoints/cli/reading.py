r"""Markdown as a reader sees it: what to leave out of a passage when it is shown. `web/src/lib/reading.ts` does the same.

The passage itself stays as it is, because spans refer to it. Only documents whose text is written in Markdown are read so: in
source code `**` and `#` mean something else. The cases that both must pass are in tests/snapshots/reading.json.
"""

from __future__ import annotations

import re

Cut = tuple[int, int, str]

_WRITTEN_SO = re.compile(r"markdown|html|wordprocessing|msword|opendocument\.text|rtf|epub|outlook|rfc822")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_RULE = re.compile(r"[|: \t-]*---[|: \t-]*")
_BLOCK = re.compile(r" {0,3}(?:#{1,6}[ \t]+|(?:> ?)+)")
_CELLS = re.compile(r"[ \t]*(?<!\\)\|(?:[ \t]*\|)*[ \t]*")
# Each with the sign in group 1, once before and once after what it is about. What lies in code is left alone.
_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_PAIRS = (
    re.compile(r"(?<![\w\\*])(\*{1,3})(?=[^\s*]).*?[^\s\\*]\1(?![\w*])|(?<![\w\\*])(\*{1,3})[^\s*]\2(?![\w*])"),
    re.compile(r"(?<![\w\\_])(_{1,2})(?=[^\s_])[^_]*[^\s\\_]\1(?!\w)|(?<![\w\\_])(_{1,2})[^\s_]\2(?!\w)"),
)
# A pair whose other half lies beyond the passage; escapes; line breaks in cells.
_SINGLE = re.compile(r"(?<!\w)\*\*(?=\S)|(?<=[^\s\\])\*\*(?!\w)|\\(?=[!-/:-@\[-`{-~])|<br ?/?>")


def cuts(text: str, media_type: str | None) -> list[Cut]:
    """What is replaced, ascending and apart: (start, end, what stands there instead)."""
    if media_type is None or not _WRITTEN_SO.search(media_type):
        return []
    found: list[Cut] = []
    at = 0
    for line in text.split("\n"):
        if _FENCE.match(line) or _RULE.fullmatch(line):
            found.append((at, min(len(text), at + len(line) + 1), ""))
        else:
            found += ((at + start, at + end, put) for start, end, put in _in_line(line))
        at += len(line) + 1
    return found


def _in_line(line: str) -> list[Cut]:
    found: list[Cut] = []
    if line.lstrip().startswith("|"):
        for bar in _CELLS.finditer(line):
            found.append((*bar.span(), "" if bar.start() == 0 or bar.end() == len(line) else " · "))
    elif block := _BLOCK.match(line):
        found.append((*block.span(), ""))
    kept: list[tuple[int, int]] = []
    for code in _CODE.finditer(line):
        found += _ends(code)
        kept.append(code.span())
    for pattern in _PAIRS:
        for pair in pattern.finditer(line):
            found += [cut for cut in _ends(pair) if _free(cut, kept)]
    taken = kept + [cut[:2] for cut in found]
    for sign in _SINGLE.finditer(line):
        cut = (*sign.span(), " " if sign.group().startswith("<") else "")
        if _free(cut, taken):
            found.append(cut)
    return sorted(found)


def _ends(pair: re.Match[str]) -> list[Cut]:
    length = len(pair.group(1) or pair.group(2))
    return [(pair.start(), pair.start() + length, ""), (pair.end() - length, pair.end(), "")]


def _free(cut: Cut, taken: list[tuple[int, int]]) -> bool:
    return all(cut[1] <= start or end <= cut[0] for start, end in taken)
