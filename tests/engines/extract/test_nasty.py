"""Every hostile and broken file of the shared folder gets the answer that its manifest asks for."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from semantik.engines.extract.base import Limits, Verdict
from semantik.engines.extract.pool import ExtractorPool
from semantik.testing.extract import Reading, read
from tests.engines.extract.conftest import Read

OK, PARTIAL, SKIPPED, FAILED = Verdict.OK, Verdict.PARTIAL, Verdict.SKIPPED, Verdict.FAILED


@dataclass(frozen=True)
class Wanted:
    """`text` must appear, `absent` must not; members as (name, code of its problem or None)."""

    verdict: Verdict
    code: str | None = None
    text: str = ""
    absent: str | None = None
    media_type: str | None = None
    pages: int | None = None
    members: tuple[tuple[str, str | None], ...] = field(default=())


FILING = "SECURITIES AND EXCHANGE COMMISSION"
WANTED = {
    "01_": Wanted(SKIPPED, "empty_file"),
    "02_": Wanted(SKIPPED, "empty_file"),
    "04_": Wanted(OK, text=FILING, media_type="application/pdf", pages=4),
    "05_": Wanted(SKIPPED, "no_text", media_type="image/png"),
    "07_": Wanted(FAILED, "unknown_type"),
    "08_": Wanted(FAILED, "damaged"),
    "10_": Wanted(OK, text=FILING, pages=4),
    "11_": Wanted(SKIPPED, "lfs_pointer"),
    "13_": Wanted(FAILED, "needs_password"),
    "14_": Wanted(OK, text=FILING, pages=4),
    "15_": Wanted(FAILED, "needs_password"),
    "16_": Wanted(FAILED, "needs_password"),
    "17_": Wanted(FAILED, "needs_password"),
    "18_": Wanted(PARTIAL, "encrypted_body", text="elkins@aero.org", absent="hIwDY32h"),
    "19_": Wanted(FAILED, "archive_bomb"),
    "20_": Wanted(OK, text="start\nfar\n"),
    "22_": Wanted(OK, members=tuple((f"l5_{number}.zip", None) for number in range(10))),
    "23_": Wanted(
        PARTIAL, "unsafe_member", members=(("tmp/evil.txt", "unsafe_member"), ("etc/evil2.txt", "unsafe_member"), ("ok.txt", None))
    ),
    "25_": Wanted(FAILED, "image_too_large"),
    "26_": Wanted(OK, text="GIANT JBIG2 BOMB"),
    "28_": Wanted(OK, text="Tiny text on a 200x200 inch page"),
    "29_": Wanted(FAILED, "entity_refused", absent="root:"),
    "31_": Wanted(FAILED, "entity_refused"),
    "32_": Wanted(FAILED, "entity_refused"),
    "34_": Wanted(OK, text="before after", absent="root:"),
    "35_": Wanted(OK, text="Chapter", absent="root:"),
    "37_": Wanted(OK, text="[[[["),
    "38_": Wanted(OK, text="deep text"),
    "40_": Wanted(OK, text="L0", members=(("L1.eml", None),)),
    "41_": Wanted(OK, text="Hello world this is text"),
    "43_": Wanted(OK, text="Travel expenses are paid within 30 days", pages=1),
    "44_": Wanted(OK, text="Größe und Maß: 5 €"),
    "46_": Wanted(OK, text="東京都の人口は約千四百万人です"),
    "47_": Wanted(OK, text="姓名: 张三 | 城市: 北京 | 金额: 100"),
    "49_": Wanted(OK, text="=cmd|' /C calc'!A0"),
    "50_": Wanted(OK),
    "52_": Wanted(OK, text="plain\ntext\n"),
    "53_": Wanted(OK, text="long name"),
    "54_": Wanted(SKIPPED, "no_text"),
    "55_": Wanted(FAILED, "damaged"),
    "56_": Wanted(FAILED, "damaged"),
    "57_": Wanted(OK, text="foobar"),
    "58_": Wanted(OK, text="TestString123"),
    "59_": Wanted(FAILED, "damaged"),
    "60_": Wanted(PARTIAL, "needs_password", text="Example", members=(("attachment.pdf", "needs_password"),)),
    "61_": Wanted(OK, text="Reduced test-case"),
    "62_": Wanted(FAILED, "damaged"),
    "64_": Wanted(PARTIAL, "truncated", text=FILING),
    "65_": Wanted(OK, text=FILING),
    "66_": Wanted(FAILED, "damaged"),
    "67_": Wanted(FAILED, "damaged"),
    "68_": Wanted(OK, text="Test Slide"),
    "69_": Wanted(OK, text="Text123"),
    "70_": Wanted(OK, text="Invoice number", pages=2),
    "71_": Wanted(OK, members=(("droste.jpg", None), ("droste.zip", None))),
    "72_": Wanted(PARTIAL, "needs_password", members=(("unencrypted.txt", None), ("encrypted.txt", "needs_password"))),
    "73_": Wanted(PARTIAL, "unsafe_member", members=(("f1.txt", None), ("f1 (2).txt", "unsafe_member"))),
}


@pytest.fixture(scope="session")
def nasty(shared: Path) -> dict[str, Path]:
    """The first three characters of the manifest's names -> file."""
    with open(shared / "nasty" / "manifest.csv", encoding="utf-8", newline="") as file:
        return {row["file"][:3]: shared / "nasty" / row["file"] for row in csv.DictReader(file)}


def test_every_file_of_the_manifest_has_an_expected_answer(nasty: dict[str, Path]) -> None:
    assert set(nasty) == set(WANTED)


@pytest.mark.parametrize("number", sorted(WANTED))
async def test_file(number: str, nasty: dict[str, Path], extract: Read) -> None:
    wanted = WANTED[number]
    reading = await extract(nasty[number], limits=replace(Limits(), timeout_s=30))
    outcome = reading.outcome
    assert (outcome.verdict, outcome.code) == (wanted.verdict, wanted.code), outcome
    assert wanted.text in reading.text
    if wanted.absent is not None:
        assert wanted.absent not in reading.text
    if wanted.media_type is not None:
        assert outcome.media_type == wanted.media_type
    if wanted.pages is not None:
        assert outcome.pages == wanted.pages
    if wanted.members:
        assert [(member.name, member.problem[0] if member.problem else None) for member in reading.members] == list(wanted.members)


@pytest.mark.parametrize(
    ("number", "password", "text"), [("13_", "geheim", FILING), ("15_", "tika", "This is an encrypted Word 2007 File")]
)
async def test_the_right_password_opens(number: str, password: str, text: str, nasty: dict[str, Path], extract: Read) -> None:
    reading = await extract(nasty[number], password=password)
    assert reading.outcome.verdict is OK, reading.outcome
    assert text.lower() in reading.text.lower()
    wrong = await extract(nasty[number], password="not the one")
    assert (wrong.outcome.verdict, wrong.outcome.code) == (FAILED, "wrong_password")


async def test_row_numbers_of_a_ragged_table_are_stable(nasty: dict[str, Path], extract: Read) -> None:
    reading = await extract(nasty["49_"])
    assert [row for part in reading.parts for _, row in part.rows] == [1, 2, 3, 4, 5, 6]


async def test_far_cells_keep_their_row_numbers(nasty: dict[str, Path], extract: Read) -> None:
    reading = await extract(nasty["20_"])
    assert [row for part in reading.parts for _, row in part.rows] == [1, 1_048_576]


@pytest.mark.parametrize(("number", "most"), [("22_", 1_200), ("71_", 10), ("40_", 10)])
async def test_the_tree_of_a_container_ends(number: str, most: int, nasty: dict[str, Path], pool: ExtractorPool, tmp_path: Path) -> None:
    """Follows one branch of members down, as the pipeline does, until nothing more comes."""
    path, name, depth, seen = nasty[number], nasty[number].name, 0, 0
    codes: set[str] = set()
    while True:
        scratch = tmp_path / str(depth)
        scratch.mkdir()
        reading: Reading = await read(pool, path, scratch, name=name, limits=replace(Limits(), depth=depth))
        seen += len(reading.members)
        codes |= {member.problem[0] for member in reading.members if member.problem}
        down = [member for member in reading.members if member.path is not None and member.name.endswith((".zip", ".eml"))]
        if not down:
            break
        assert down[0].path is not None
        path, name, depth = down[0].path, down[0].name, depth + 1
    assert depth <= Limits().max_depth
    assert seen <= most
    assert codes <= {"archive_too_deep", "nesting_limit"} and codes
