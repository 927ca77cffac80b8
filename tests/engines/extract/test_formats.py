"""Each format gives its text with the places that citations need."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from semantik import sample
from semantik.engines.extract.base import Limits, Verdict
from semantik.testing.extract import Reading
from tests.engines.extract import samples
from tests.engines.extract.conftest import Read

LETTER = "Dear reader\nthis letter was scanned\non a rainy morning in November"


def headings(reading: Reading) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for part in reading.parts for heading in part.headings]


async def test_pdf_gives_pages_and_the_outline_as_headings(extract: Read) -> None:
    data = samples.pdf(["Introduction\nThe first page.", "Method\nThe second page."], outline=[(1, "Introduction"), (2, "Method")])
    reading = await extract(data, "a.pdf")
    assert reading.outcome.verdict is Verdict.OK
    assert [part.page for part in reading.parts] == [1, 2]
    assert reading.outcome.pages == 2
    assert headings(reading) == [(1, "Introduction"), (1, "Method")]
    assert all(part.text[part.headings[0].offset :].startswith(part.headings[0].title) for part in reading.parts)


async def test_a_scanned_page_among_others_is_read_by_ocr(extract: Read) -> None:
    data = samples.pdf(["A page with a text layer.", samples.scan(LETTER, height=1600)])
    reading = await extract(data, "mixed.pdf")
    assert reading.outcome.verdict is Verdict.OK
    assert [(part.page, part.ocr) for part in reading.parts] == [(1, False), (2, True)]
    assert "rainy morning" in reading.parts[1].text


async def test_pages_beyond_the_ocr_budget_are_named(extract: Read) -> None:
    data = samples.pdf(["Text here.", samples.scan(LETTER), samples.scan(LETTER), samples.scan(LETTER)])
    reading = await extract(data, "mixed.pdf", limits=replace(Limits(), ocr_max_pages=0))
    assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.PARTIAL, "needs_ocr")
    assert reading.outcome.reason is not None and reading.outcome.reason.startswith("Pages 2-4 ")


async def test_a_scan_without_ocr_is_skipped_and_never_ok(extract: Read) -> None:
    reading = await extract(samples.pdf([samples.scan(LETTER)]), "scan.pdf", limits=replace(Limits(), ocr=False))
    assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.SKIPPED, "needs_ocr")


async def test_an_ocr_page_that_takes_too_long_is_stopped(extract: Read) -> None:
    data = samples.pdf(["Text here.", samples.scan(LETTER, height=1600)])
    reading = await extract(data, "mixed.pdf", limits=replace(Limits(), ocr_page_timeout_s=0.05))
    assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.PARTIAL, "timeout")
    assert reading.text == "Text here.\n"


async def test_a_blank_pdf_has_no_text(extract: Read) -> None:
    reading = await extract(samples.pdf([""]), "blank.pdf")
    assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.SKIPPED, "no_text")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
async def test_images_are_read_by_ocr(kind: str, extract: Read) -> None:
    reading = await extract(samples.picture(samples.scan(LETTER), kind), "letter")
    assert reading.outcome.verdict is Verdict.OK, reading.outcome
    assert "rainy morning" in reading.text and all(part.ocr for part in reading.parts)


async def test_noise_is_not_taken_for_words(extract: Read) -> None:
    noise = Image.effect_noise((800, 600), 90).filter(ImageFilter.GaussianBlur(2))
    reading = await extract(samples.picture(noise), "photo.png")
    assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.SKIPPED, "no_text")


async def test_docx_headings(extract: Read) -> None:
    body = samples.paragraph("Results", "Heading1") + samples.paragraph("We found it.") + samples.paragraph("Figures", "Heading2")
    reading = await extract(samples.docx(body + samples.paragraph("42 of them.")), "a.docx")
    assert "We found it." in reading.text
    (first, _), (second, _) = headings(reading)
    assert [title for _, title in headings(reading)] == ["Results", "Figures"] and first < second


async def test_slides_keep_numbers_titles_and_notes(extract: Read) -> None:
    data = samples.pptx([("Welcome", "First line\nSecond line"), ("Numbers", "42")], notes={2: "Say it slowly"})
    reading = await extract(data, "a.pptx")
    assert [(part.slide, part.headings[0].title) for part in reading.parts] == [(1, "Welcome"), (2, "Numbers")]
    assert "Second line" in reading.parts[0].text and "Say it slowly" in reading.parts[1].text


async def test_a_broken_slide_costs_only_itself(extract: Read) -> None:
    source = io.BytesIO(samples.pptx([("One", "first"), ("Two", "second"), ("Three", "third")]))
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["ppt/slides/slide2.xml"] = b"<broken"
    reading = await extract(samples.packed(members), "a.pptx")
    assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.PARTIAL, "pages_failed")
    assert reading.outcome.reason == "Slide 2 cannot be read."
    assert [part.slide for part in reading.parts] == [1, 3]


async def test_sheet_rows_carry_their_header_and_number(extract: Read) -> None:
    rows = (
        samples.row(3, {"B": "Region", "C": "Sales"}) + samples.row(4, {"B": "North", "C": 12.5}) + samples.row(7, {"B": "South", "C": 3})
    )
    reading = await extract(samples.xlsx({"Q1": rows, "Secret": samples.row(1, {"A": "hidden"})}, hidden=["Secret"]), "a.xlsx")
    assert [part.sheet for part in reading.parts] == ["Q1", "Secret"]
    assert reading.parts[0].text == "Region | Sales\nRegion: North | Sales: 12.5\nRegion: South | Sales: 3\n"
    assert [number for _, number in reading.parts[0].rows] == [3, 4, 7]
    assert reading.outcome.metadata["hidden_sheets"] == ["Secret"]


async def test_csv_rows_carry_their_header_and_number(extract: Read) -> None:
    reading = await extract(b'name;note\nAnn;"two\nlines; one cell"\nBen;"a ""quoted"" word"\n', "a.csv")
    assert reading.text == 'name | note\nname: Ann | note: two lines; one cell\nname: Ben | note: a "quoted" word\n'
    assert [number for part in reading.parts for _, number in part.rows] == [1, 2, 3]


async def test_open_document_formats(extract: Read) -> None:
    text = samples.odf("text", "<office:text><text:h text:outline-level='1'>Title</text:h><text:p>Some words</text:p></office:text>")
    assert "Some words" in (await extract(text, "a.odt")).text
    slides = "".join(
        f'<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>{title}</text:p></draw:text-box></draw:frame>'
        "<draw:frame><draw:text-box><text:p>body</text:p></draw:text-box></draw:frame></draw:page>"
        for title in ("One", "Two")
    )
    reading = await extract(samples.odf("presentation", f"<office:presentation>{slides}</office:presentation>"), "a.odp")
    assert [(part.slide, part.text) for part in reading.parts] == [(1, "One\nbody\n"), (2, "Two\nbody\n")]


async def test_epub_chapters_follow_the_spine(extract: Read) -> None:
    reading = await extract(samples.epub({"b.xhtml": "<h1>Chapter one</h1><p>It begins.</p>", "a.xhtml": "<h1>Chapter two</h1>"}), "a.epub")
    assert headings(reading) == [(1, "Chapter one"), (1, "Chapter two")]
    assert reading.outcome.title == "A book"


async def test_html_keeps_headings_and_tables_and_drops_scripts(extract: Read) -> None:
    page = "<title>T</title><h1>Top</h1><script>evil()</script><p>See <a href='http://x/y'>this page</a>.</p>"
    reading = await extract(f"<html><body>{page}</body></html>".encode(), "a.html")
    assert headings(reading) == [(1, "Top")]
    assert "See this page." in reading.text and "evil" not in reading.text and "http" not in reading.text


async def test_mail_gives_header_body_and_attachments(extract: Read) -> None:
    mail = (
        "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: a@example.org\r\nSubject: Minutes\r\nDate: Tue, 1 Jul 2025 10:00:00 +0200\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
        "--c\r\nContent-Type: text/plain\r\n\r\nThe body.\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>The body.</p>\r\n--c--\r\n"
        '--b\r\nContent-Type: text/csv; name="../../list.csv"\r\nContent-Disposition: attachment\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\nYSxiCjEsMgo=\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@example.org\r\nSubject: Inner\r\n\r\nInner body\r\n--b--\r\n"
    )
    reading = await extract(mail.encode(), "a.eml")
    assert reading.outcome.title == "Minutes" and reading.outcome.metadata["date"] == "2025-07-01T10:00:00+02:00"
    assert "From: Jürgen <j@example.org>" in reading.text and reading.text.count("The body.") == 1 and "Inner body" not in reading.text
    assert [member.name for member in reading.members] == ["list.csv", "Inner.eml"]
    assert reading.members[0].path is not None and reading.members[0].path.read_bytes() == b"a,b\n1,2\n"


async def test_an_archive_is_a_folder(extract: Read) -> None:
    for data, name in (
        (samples.packed({"a.txt": "one", "sub/b.txt": "two"}), "a.zip"),
        (samples.tarred({"a.txt": b"one", "sub/b.txt": b"two"}), "a.tar"),
        (samples.tarred({"a.txt": b"one", "sub/b.txt": b"two"}, mode="w:xz"), "a.tar.xz"),
    ):
        reading = await extract(data, name)
        assert reading.outcome.verdict is Verdict.OK
        assert reading.text == f"{name} holds 2 files:\na.txt\nsub/b.txt\n"
        assert [member.path.read_bytes() for member in reading.members if member.path] == [b"one", b"two"]
    assert [member.name for member in (await extract(gzip.compress(b"words"), "notes.txt.gz")).members] == ["notes.txt"]


async def test_rtf_and_source_and_data(extract: Read) -> None:
    assert "Hello" in (await extract(rb"{\rtf1\ansi Hello \b world\b0\par}", "a.rtf")).text
    assert (await extract(b"def f():\n    return 1\n", "a.py")).outcome.media_type == "text/x-source"
    assert (await extract(b'{"a": 1}', "a.json")).text == '{"a": 1}\n'
    assert "Some prose" in (await extract(b"<?xml version='1.0'?><doc><p>Some prose in a document</p></doc>", "a.xml")).text


async def test_the_name_decides_between_kinds_of_text_only(extract: Read) -> None:
    data = samples.pdf(["A page."])
    assert (await extract(data, "a.csv")).outcome.media_type == "application/pdf"
    assert (await extract(b"# A\n", "a.md")).outcome.media_type == "text/markdown"
    assert (await extract(b"# A\n", "a.txt")).outcome.media_type == "text/plain"


async def test_the_output_limit_holds_for_every_reader(extract: Read) -> None:
    limits = replace(Limits(), max_chars=1_000)
    rows = "".join(samples.row(number, {"A": "word" * 10}) for number in range(1, 100))
    for data, name in (
        (samples.xlsx({"S": rows}), "a.xlsx"),
        (samples.pdf(["line of words\n" * 40] * 10), "a.pdf"),
        (b"<html><body>" + b"<p>words of a page</p>" * 500 + b"</body></html>", "a.html"),
        (samples.docx(samples.paragraph("words of a document") * 500), "a.docx"),
    ):
        reading = await extract(data, name, limits=limits)
        assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.PARTIAL, "output_limit"), name
        assert len(reading.text) <= 1_000


async def test_a_large_table_is_streamed(extract: Read, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with open(path, "w", encoding="utf-8") as file:
        file.write("id,words\n")
        for block in range(200):
            file.write("".join(f"{block * 5_000 + number},some words of a row that repeat\n" for number in range(5_000)))
    reading = await extract(path, limits=replace(Limits(), max_chars=2_000_000, memory_bytes=400 * 1024**2))
    assert (reading.outcome.verdict, reading.outcome.code) == (Verdict.PARTIAL, "output_limit")
    assert reading.parts[-1].rows[-1][1] > 30_000


MEANT = """R&D at AT&T: "p < 0.05" isn't 5 > 3 *really* #2 caf\u00e9"""
WRITTEN = "R&amp;D at AT&#38;T: &quot;p &lt; 0.05&quot; isn&apos;t 5 &#x3E; 3 *really* #2 caf&#233;"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.docx", samples.docx(samples.paragraph(WRITTEN) + samples.paragraph("- 1 # next") + samples.paragraph("# no heading"))),
        ("a.odt", samples.odf("text", f"<office:text><text:p>{WRITTEN}</text:p></office:text>")),
        (
            "a.odp",
            samples.odf(
                "presentation",
                f"<office:presentation><draw:page><draw:frame><draw:text-box><text:p>{WRITTEN}</text:p></draw:text-box></draw:frame></draw:page></office:presentation>",
            ),
        ),
        ("a.pptx", samples.pptx([(WRITTEN, "A body.")])),
        ("a.xlsx", samples.xlsx({"One": samples.row(1, {"A": WRITTEN})})),
        ("a.epub", samples.epub({"one": f"<p>{WRITTEN}</p>"})),
        ("a.html", f"<html><body><p>{WRITTEN}</p></body></html>".encode()),
        ("a.rtf", b"{\\rtf1\\ansi R&D at AT&T: \"p < 0.05\" isn't 5 > 3 *really* #2 caf\\'e9\\par}"),
    ],
)
async def test_what_a_format_writes_in_signs_of_its_own_is_read_as_what_it_means(extract: Read, name: str, data: bytes) -> None:
    reading = await extract(data, name)
    assert MEANT in reading.text.replace("\u2019", "'")
    assert "&" not in reading.text.replace(MEANT, "").replace("R&D", "")
    assert not any("no heading" in title for _, title in headings(reading))


async def test_a_table_of_a_legacy_word_file_holds_tabs_not_entities(extract: Read) -> None:
    path = Path(sample.__file__).parent / "files" / "manuals" / "wi-12-bearing-fitting.doc"
    reading = await extract(path.read_bytes(), path.name)
    assert "Position\tPart\tNumber" in reading.text
    assert "&#" not in reading.text


async def test_each_mail_of_a_mailbox_is_a_mail_without_the_line_that_parts_them(extract: Read) -> None:
    mail = b"From: a@b\nSubject: Weir\n\nThe weir is open.\n\nFrom here on it is dry.\n\n"
    reading = await extract((b"From a@b Thu Jan  1 00:00:00 1970\n" + mail.replace(b"\nFrom here", b"\n>From here")) * 3, "all.mbox")
    assert [member.path.read_bytes().strip() for member in reading.members if member.path] == [mail.strip()] * 3
