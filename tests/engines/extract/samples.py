"""Small files of every format, made here: no test of this room needs a file from elsewhere."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    + R
)
_REL = "http://schemas.openxmlformats.org/package/2006/relationships"
_DOC = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0"'
)


def packed(members: Mapping[str, str | bytes] | Sequence[tuple[str | zipfile.ZipInfo, str | bytes]]) -> bytes:
    """A ZIP of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members: Mapping[str, bytes], *, mode: str = "w", links: Mapping[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]  # the mode is a plain str here
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


def relations(entries: Mapping[str, tuple[str, str]]) -> str:
    rows = "".join(f'<Relationship Id="{key}" Type="{_DOC}/{kind}" Target="{target}"/>' for key, (kind, target) in entries.items())
    return f'<?xml version="1.0"?><Relationships xmlns="{_REL}">{rows}</Relationships>'


def content_types(overrides: Mapping[str, str]) -> str:
    rows = "".join(
        f'<Override PartName="{name}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>'
        for name, kind in overrides.items()
    )
    return (
        '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{rows}</Types>'
    )


def docx(body: str, *, doctype: str = "") -> bytes:
    return packed(
        {
            "[Content_Types].xml": content_types({"/word/document.xml": "wordprocessingml.document.main"}),
            "_rels/.rels": relations({"r1": ("officeDocument", "word/document.xml")}),
            "word/document.xml": f'<?xml version="1.0"?>{doctype}<w:document {W}><w:body>{body}</w:body></w:document>',
        }
    )


def paragraph(text: str, style: str | None = None) -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def xlsx(sheets: Mapping[str, str | bytes], *, hidden: Sequence[str] = ()) -> bytes:
    """`sheets`: name -> the rows' XML, or the bytes of the whole part."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": content_types(
            {"/xl/workbook.xml": "spreadsheetml.sheet.main"}
            | {f"/xl/worksheets/sheet{number}.xml": "spreadsheetml.worksheet" for number in range(1, len(sheets) + 1)}
        ),
        "_rels/.rels": relations({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/_rels/workbook.xml.rels": relations(
            {f"s{number}": ("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)}
        ),
    }
    entries = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="s{number}"{" state=" + chr(34) + "hidden" + chr(34) if name in hidden else ""}/>'
        for number, name in enumerate(sheets, 1)
    )
    members["xl/workbook.xml"] = f'<?xml version="1.0"?><workbook {S} {R}><sheets>{entries}</sheets></workbook>'
    for number, rows in enumerate(sheets.values(), 1):
        whole = f'<?xml version="1.0"?><worksheet {S}><sheetData>{rows}</sheetData></worksheet>' if isinstance(rows, str) else rows
        members[f"xl/worksheets/sheet{number}.xml"] = whole
    return packed(members)


def row(number: int, cells: Mapping[str, str | float]) -> str:
    found = "".join(
        f'<c r="{column}{number}"><v>{value}</v></c>'
        if isinstance(value, int | float)
        else f'<c r="{column}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
        for column, value in cells.items()
    )
    return f'<row r="{number}">{found}</row>'


def pptx(slides: Sequence[tuple[str, str]], *, notes: Mapping[int, str] | None = None) -> bytes:
    """`slides`: (title, body). `notes`: number of the slide -> what the speaker says."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": content_types({"/ppt/presentation.xml": "presentationml.presentation.main"}),
        "_rels/.rels": relations({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": f'<?xml version="1.0"?><p:presentation {P}><p:sldIdLst>'
        + "".join(f'<p:sldId id="{256 + number}" r:id="r{number}"/>' for number in range(1, len(slides) + 1))
        + "</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations({f"r{n}": ("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1)}),
    }
    for number, (title, body) in enumerate(slides, 1):
        members[f"ppt/slides/slide{number}.xml"] = slide(title, body)
        if notes and number in notes:
            members[f"ppt/slides/_rels/slide{number}.xml.rels"] = relations({"n": ("notesSlide", f"../notesSlides/notesSlide{number}.xml")})
            members[f"ppt/notesSlides/notesSlide{number}.xml"] = (
                f'<?xml version="1.0"?><p:notes {P}><p:cSld><p:spTree>{_shape("body", notes[number])}</p:spTree></p:cSld></p:notes>'
            )
    return packed(members)


def slide(title: str, body: str) -> str:
    return f'<?xml version="1.0"?><p:sld {P}><p:cSld><p:spTree>{_shape("title", title)}{_shape("body", body)}</p:spTree></p:cSld></p:sld>'


def _shape(kind: str, text: str) -> str:
    lines = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>{lines}</p:txBody></p:sp>'


def odf(kind: str, content: str, *, encrypted: bool = False) -> bytes:
    data = "<manifest:encryption-data/>" if encrypted else ""
    return packed(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f'<?xml version="1.0"?><office:document-content {ODF}>'
            f"<office:body>{content}</office:body></office:document-content>",
            "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f"{data}</manifest:manifest>",
        }
    )


def epub(chapters: Mapping[str, str], *, doctype: str = "") -> bytes:
    items = "".join(f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters))
    refs = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": f'<?xml version="1.0"?>{doctype}<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<metadata><dc:title>A book</dc:title></metadata><manifest>{items}</manifest><spine>{refs}</spine></package>",
            **{f"OEBPS/{name}": f"{doctype}<html><body>{body}</body></html>" for name, body in chapters.items()},
        }
    )


def pdf(pages: Sequence[str | Image.Image], *, outline: Sequence[tuple[int, str]] = (), count: int | None = None) -> bytes:
    """A PDF whose pages are lines of text or pictures. `outline`: (page from 1, title)."""
    objects: list[bytes] = [b"", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"]
    kids = []
    for page in pages:
        if isinstance(page, str):
            lines = "".join(f"({line}) Tj 0 -14 Td " for line in page.replace("(", r"\(").replace(")", r"\)").split("\n"))
            stream = f"BT /F1 11 Tf 50 740 Td {lines}ET".encode("cp1252") if page else b""
            resources = b"<</Font<</F1 3 0 R>>>>"
        else:
            grey = page.convert("L")
            data = zlib.compress(grey.tobytes())
            objects.append(
                f"<</Type/XObject/Subtype/Image/Width {grey.width}/Height {grey.height}/ColorSpace/DeviceGray/BitsPerComponent 8"
                f"/Filter/FlateDecode/Length {len(data)}>>stream\n".encode()
                + data
                + b"\nendstream"
            )
            stream = b"q 612 0 0 792 0 0 cm /I Do Q"
            resources = f"<</XObject<</I {len(objects)} 0 R>>>>".encode()
        objects.append(f"<</Length {len(stream)}>>stream\n".encode() + stream + b"\nendstream")
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {len(objects)} 0 R/Resources ".encode() + resources + b">>"
        )
        kids.append(len(objects))
    root = ""
    if outline:
        first = len(objects) + 2
        for index, (page_number, title) in enumerate(outline):
            following = f"/Next {first + index + 1} 0 R" if index + 1 < len(outline) else ""
            before = f"/Prev {first + index - 1} 0 R" if index else ""
            if index == 0:
                objects.append(f"<</Type/Outlines/First {first} 0 R/Last {first + len(outline) - 1} 0 R/Count {len(outline)}>>".encode())
                root = f"/Outlines {len(objects)} 0 R"
            dest = f"/Dest[{kids[page_number - 1]} 0 R/Fit]"
            objects.append(f"<</Title({title})/Parent {first - 1} 0 R{dest}{following}{before}>>".encode("cp1252"))
    objects[0] = f"<</Type/Catalog/Pages 2 0 R{root}>>".encode()
    objects[1] = f"<</Type/Pages/Kids[{' '.join(f'{kid} 0 R' for kid in kids)}]/Count {count or len(kids)}>>".encode()
    return _assembled(objects)


def _assembled(objects: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj".encode() + body + b"endobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode() + b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    return bytes(out) + f"trailer<</Root 1 0 R/Size {len(objects) + 1}>>\nstartxref\n{table}\n%%EOF\n".encode()


def scan(text: str, *, width: int = 1240, height: int = 400) -> Image.Image:
    """A picture of black letters on white, as a scanner would give it."""
    image = Image.new("L", (width, height), 255)
    ImageDraw.Draw(image).multiline_text((60, 60), text, fill=0, font=ImageFont.load_default(44), spacing=20)
    return image


def picture(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def blank_pdf(count: int) -> bytes:
    """A sound PDF of so many pages with nothing on them."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>"
    pages = b"<</Type/Pages/Count %d/Kids[" % count + b" ".join(b"%d 0 R" % (number + 3) for number in range(count)) + b"]>>"
    pieces, at, places = [b"%PDF-1.7\n"], 9, []
    for number, body in enumerate([b"<</Type/Catalog/Pages 2 0 R>>", pages, *[page] * count], 1):
        places.append(at)
        pieces.append(b"%d 0 obj\n" % number + body + b"\nendobj\n")
        at += len(pieces[-1])
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count + 3, at)
    return b"".join(pieces) + b"xref\n0 %d\n0000000000 65535 f \n" % (count + 3) + table + end
