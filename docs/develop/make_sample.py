"""Makes the binary files of the sample corpus from the plain sources in `docs/develop/sample/`.

Needs LibreOffice (`soffice`) for the office formats, python-pptx and Pillow; the result is committed, so nobody else needs
them. Containers are written with fixed dates: a run with the same LibreOffice gives the same bytes, another one the same text.
The plain files of `semantik/sample/files/` are written by hand and left alone.
"""

from __future__ import annotations

import base64
import csv
import io
import math
import random
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFilter, ImageFont
from pptx import Presentation
from pptx.presentation import Presentation as Deck

HERE = Path(__file__).parent / "sample"
FILES = Path(__file__).parents[2] / "semantik" / "sample" / "files"
FIXED = (2025, 6, 10, 8, 0, 0)

TEXTS = {
    "annual-report-2024": "board/annual-report-2024.pdf",
    "minutes-2025-02-11": "board/minutes-2025-02-11.docx",
    "minutes-2025-03-25": "board/minutes-2025-03-25.odt",
    "statutes": "board/statutes-2018.rtf",
    "incident-report": "incident-2025-03/incident-report-2025-01.pdf",
    "informe-rodamiento": "incident-2025-03/informe-rodamiento-25-118.docx",
    "invoice-88213": "finance/invoice-88213.pdf",
    "member-letter": "notices/letter-to-members-2025-03-31.docx",
    "bearing-fitting": "manuals/wi-12-bearing-fitting.doc",
}
SHEETS = {
    "budget-2025": "finance/budget-2025.xlsx",
    "incident-costs": "finance/incident-costs-2025.ods",
    "tariffs-2025": "finance/tariffs-2025.xls",
    "lab-2025-03": "incident-2025-03/lab-results-2025-03.xlsx",
}
SLIDES = {
    "general-meeting-2025": "board/general-meeting-2025.pptx",
    "general-meeting-2024": "board/general-meeting-2024.odp",
    "pump-renewal-2019": "archive/pump-renewal-2019.ppt",
}
STREETS = {"upper": ["School Lane", "Clinic Road", "Upper Meadow"], "lower": ["Mill Lane", "Church Square", "Sawmill", "Brook Path"]}
WRITER = {
    "pdf": 'pdf:writer_pdf_Export:{"ExportBookmarks":{"type":"boolean","value":"true"},"UseTaggedPDF":{"type":"boolean","value":"true"}}',
    "docx": "docx:MS Word 2007 XML",
    "odt": "odt:writer8",
    "rtf": "rtf:Rich Text Format",
    "doc": "doc:MS Word 97",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for source, target in TEXTS.items():
            _convert(HERE / f"{source}.html", FILES / target, WRITER[_ending(target)], work, infilter="HTML (StarWriter)")
        for source, target in SHEETS.items():
            sheet = work / f"{source}.fods"
            sheet.write_text(_flat_spreadsheet(HERE / f"{source}.sheets.txt"), encoding="utf-8")
            _convert(sheet, FILES / target, {"xls": "xls:MS Excel 97"}.get(_ending(target), _ending(target)), work)
        for source, target in SLIDES.items():
            deck = work / f"{source}.pptx"
            _slides(HERE / f"{source}.slides.txt").save(str(deck))
            if target.endswith("pptx"):
                shutil.copyfile(deck, FILES / target)
            else:
                _convert(deck, FILES / target, {"ppt": "ppt:MS PowerPoint 97"}.get(_ending(target), _ending(target)), work)
        _claim_mail(work)
    note = _scan(HERE / "delivery-note-4471.scan.txt", seed=4471)
    note.save(FILES / "incident-2025-03/delivery-note-4471.pdf", quality=55, resolution=150)
    _scan(HERE / "founding-charter-1926.scan.txt", seed=1926, size=30).save(FILES / "archive/founding-charter-1926.png", optimize=True)
    _epub(HERE / "pump-manual.chapters.txt", FILES / "manuals/arriaga-ar-80.epub")
    _pressure(FILES / "incident-2025-03/pressure-upper-zone-2025-03-15.tsv")
    _readings(FILES / "archive/meter-readings-2024.zip")
    for path in sorted(FILES.rglob("*")):
        if path.suffix in {".docx", ".odt", ".xlsx", ".ods", ".pptx", ".odp"}:
            _fix_dates(path)


def _ending(name: str) -> str:
    return name.rsplit(".", 1)[1]


def _convert(source: Path, target: Path, to: str, work: Path, infilter: str | None = None) -> None:
    profile = f"-env:UserInstallation={(work / 'profile').as_uri()}"
    command = ["soffice", "--headless", profile, "--convert-to", to, "--outdir", str(work / "out")]
    if infilter:
        command.insert(3, f"--infilter={infilter}")
    subprocess.run([*command, str(source)], check=True, capture_output=True, timeout=180)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(work / "out" / f"{source.stem}.{_ending(target.name)}", target)


def _flat_spreadsheet(path: Path) -> str:
    """Flat OpenDocument of blocks `# sheet name` followed by rows with ; between the cells; numbers become numbers."""
    parts = []
    for title, lines in _blocks(path):
        rows = "".join("<table:table-row>" + "".join(map(_cell, line.split(";"))) + "</table:table-row>" for line in lines)
        parts.append(f'<table:table table:name="{escape(title)}">{rows}</table:table>')
    names = "urn:oasis:names:tc:opendocument:xmlns:"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document xmlns:office="{names}office:1.0" xmlns:table="{names}table:1.0"'
        f' xmlns:text="{names}text:1.0" office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.spreadsheet">'
        f"<office:body><office:spreadsheet>{''.join(parts)}</office:spreadsheet></office:body></office:document>"
    )


def _cell(value: str) -> str:
    if not value:
        return "<table:table-cell/>"
    try:
        number = float(value)
    except ValueError:
        return f'<table:table-cell office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
    return f'<table:table-cell office:value-type="float" office:value="{number}"><text:p>{escape(value)}</text:p></table:table-cell>'


def _blocks(path: Path) -> Iterator[tuple[str, list[str]]]:
    for block in path.read_text(encoding="utf-8").split("# ")[1:]:
        title, *lines = block.strip().splitlines()
        yield title, lines


def _slides(path: Path) -> Deck:
    deck = Presentation()
    for number, (title, lines) in enumerate(_blocks(path)):
        slide = deck.slides.add_slide(deck.slide_layouts[0 if number == 0 else 1])
        slide.shapes.title.text = title
        slide.placeholders[1].text_frame.text = "\n".join(line for line in lines if not line.startswith("Note: "))
        for note in (line.removeprefix("Note: ") for line in lines if line.startswith("Note: ")):
            slide.notes_slide.notes_text_frame.text = note
    return deck


def _scan(path: Path, *, seed: int, size: int = 32) -> Image.Image:
    """A page as a scanner sees it: grey paper, a little askew, a little noise, no text layer."""
    chance = random.Random(seed)
    page = Image.new("L", (1240, 1754), 244)
    draw = ImageDraw.Draw(page)
    font = ImageFont.truetype("DejaVuSerif.ttf", size)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        draw.text((150, 170 + number * int(size * 1.75)), line, fill=40, font=font)
    page = page.rotate(chance.uniform(-0.7, 0.7), resample=Image.Resampling.BICUBIC, fillcolor=244).filter(ImageFilter.GaussianBlur(0.6))
    for _ in range(900):
        page.putpixel((chance.randrange(1240), chance.randrange(1754)), chance.randrange(120, 220))
    return page.quantize(16).convert("L") if seed == 1926 else page


def _epub(source: Path, target: Path) -> None:
    chapters = list(_blocks(source))
    book = chapters[0][0]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "mimetype", "application/epub+zip", stored=True)
        _put(
            archive,
            "META-INF/container.xml",
            '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        items = "".join(f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(chapters)))
        spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
        _put(
            archive,
            "OEBPS/book.opf",
            '<?xml version="1.0" encoding="UTF-8"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
            '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">arriaga-ar-80-7</dc:identifier>'
            f"<dc:title>{escape(book)}</dc:title><dc:language>en</dc:language><dc:creator>Bombas Arriaga S.L.</dc:creator>"
            '<meta property="dcterms:modified">2019-03-01T00:00:00Z</meta></metadata>'
            f'<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>{items}</manifest>'
            f"<spine>{spine}</spine></package>",
        )
        links = "".join(f'<li><a href="c{n}.xhtml">{escape(title)}</a></li>' for n, (title, _) in enumerate(chapters))
        contents = f'<nav xmlns:epub="http://www.idpf.org/2007/ops" epub:type="toc"><ol>{links}</ol></nav>'
        _put(archive, "OEBPS/nav.xhtml", _page(book, contents))
        for number, (title, lines) in enumerate(chapters):
            body = f"<h1>{escape(title)}</h1>" + "".join(f"<p>{escape(line)}</p>" for line in lines)
            _put(archive, f"OEBPS/c{number}.xhtml", _page(title, body))


def _page(title: str, body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head>'
        f"<title>{escape(title)}</title></head><body>{body}</body></html>"
    )


def _put(archive: zipfile.ZipFile, name: str, content: str | bytes, *, stored: bool = False) -> None:
    entry = zipfile.ZipInfo(name, FIXED)
    archive.writestr(entry, content, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)


def _fix_dates(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in members:
            _put(archive, entry.filename, content, stored=entry.filename == "mimetype")


def _pressure(target: Path) -> None:
    """Minute values of the telemetry: falls from 02:17, below 2.0 bar from 02:38 to 04:02, normal at 04:26."""
    chance = random.Random(315)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["time", "zone", "pressure_bar", "flow_l_s", "pump"])
        for minute in range(60, 300):
            writer.writerow([f"2025-03-15 {minute // 60:02}:{minute % 60:02}", "Upper Zone", *_reading(minute, chance)])


def _reading(minute: int, chance: random.Random) -> tuple[str, str, str]:
    start, low, restart, normal = 2 * 60 + 17, 2 * 60 + 38, 3 * 60 + 52, 4 * 60 + 26
    if minute < start:
        pressure, flow, pump = 5.2, 8.6, "P-2"
    elif minute < low:
        pressure, flow, pump = 5.2 - (minute - start + 1) * 3.15 / (low - start), 0.0, "-" if minute > start + 1 else "P-2"
    elif minute <= restart:
        pressure, flow, pump = 0.7 + 1.25 * math.exp(-(minute - low) / 18), 0.0, "-"
    elif minute < normal:
        pressure, flow, pump = min(5.0, 0.75 + (minute - restart) * 0.114), 9.3, "P-1"
    else:
        pressure, flow, pump = 5.05, 9.1, "P-1"
    noise = chance.uniform(-0.03, 0.03)
    return f"{pressure + noise:.2f}", f"{max(0.0, flow + noise * 4):.1f}" if flow else "0.0", pump


def _readings(target: Path) -> None:
    """House meters of 2024 by zone, and the reader's remarks."""
    chance = random.Random(2024)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for zone, count in (("upper", 74), ("lower", 120)):
            table = io.StringIO()
            writer = csv.writer(table, lineterminator="\n")
            writer.writerow(["meter", "street", "reading_2023_m3", "reading_2024_m3", "used_m3"])
            for number in range(1, count + 1):
                before = chance.randrange(400, 3200)
                used = chance.randrange(35, 320)
                street = chance.choice(STREETS[zone])
                writer.writerow([f"K{'U' if zone == 'upper' else 'L'}-{number:03}", f"{street} {number}", before, before + used, used])
            _put(archive, f"readings/{zone}-zone-2024.csv", table.getvalue())
        _put(
            archive,
            "readings/remarks.txt",
            "Remarks of the meter reader, December 2024 (Marko Huber)\n\n"
            "KU-017, Clinic Road 17: meter stopped, estimated at 140 m3, exchange ordered (new number KU-217).\n"
            "KL-044, Sawmill: lid frozen, read again on 9 December.\n"
            "KL-101, Brook Path: dog. The owner sends a photograph.\n",
        )


def _claim_mail(work: Path) -> None:
    letter = work / "claim-letter-tm-2025-03391.pdf"
    _convert(HERE / "claim-letter.html", letter, WRITER["pdf"], work, infilter="HTML (StarWriter)")
    encoded = base64.encodebytes(letter.read_bytes()).decode("ascii")
    (FILES / "mail/2025-04-02-talschaft-claim.eml").write_text(
        "From: Peter Hollenstein <claims@talschaft.example>\nTo: Ruth Alder <office@kaltbach.example>\n"
        "Subject: Claim TM-2025-03391, pump breakdown of 15 March\nDate: Wed, 02 Apr 2025 14:20:05 +0200\n"
        "Message-ID: <tm-2025-03391-1@talschaft.example>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="talschaft-1"\n\n--talschaft-1\nContent-Type: text/plain; charset=utf-8\n\n'
        "Dear Mrs Alder,\n\nour offer of settlement is attached. One question: the policy asks for an overhaul at the intervals of the\n"
        "manufacturer. Please tell us when pump P-2 was last overhauled, and who decided on the date.\n\nPeter Hollenstein\n\n"
        f'--talschaft-1\nContent-Type: application/pdf; name="{letter.name}"\n'
        f'Content-Disposition: attachment; filename="{letter.name}"\nContent-Transfer-Encoding: base64\n\n{encoded}\n--talschaft-1--\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
