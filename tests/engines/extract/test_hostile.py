"""Our own bombs, traps and broken files: each ends quickly, as an outcome, and costs only itself."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from semantik.engines.extract.base import Limits, Verdict
from tests.engines.extract import samples
from tests.engines.extract.conftest import Read

OK, PARTIAL, SKIPPED, FAILED = Verdict.OK, Verdict.PARTIAL, Verdict.SKIPPED, Verdict.FAILED
ZEROS = bytes(40 * 1024**2)
ENTITY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
FAR = f'<?xml version="1.0"?><worksheet {samples.S}><dimension ref="A1:B2"/><sheetData>{{}}</sheetData></worksheet>'.format(
    samples.row(1, {"A": "near"}) + samples.row(1_048_576, {"XFD": "far"})
)


def _lying_docx() -> bytes:
    """Claims to expand to 5 kB and expands to 250 MB."""
    data = bytearray(samples.docx(samples.paragraph("A" * 250_000_000)))
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 5_000)
    return bytes(data)


def _pixel_file(kind: str) -> bytes:
    match kind:
        case "gif":
            return (
                b"GIF89a"
                + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0)
                + bytes(6)
                + b","
                + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
                + b"\x02\x00;"
            )
        case "bmp":
            return (
                b"BM"
                + struct.pack("<IHHI", 1000, 0, 0, 54)
                + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
                + bytes(100)
            )
        case "tiff":
            fields = ((256, 4, 100_000), (257, 4, 100_000), (258, 3, 8), (273, 4, 8))
            return (
                b"II*\0"
                + struct.pack("<IH", 8, 4)
                + b"".join(struct.pack("<HHII", tag, kind_, 1, value) for tag, kind_, value in fields)
                + bytes(4)
            )
        case _:
            return samples.png_header(51_200, 51_200)


def _million_pages() -> bytes:
    return samples.pdf(["The only page."], count=1_000_000)


def _flate_bomb() -> bytes:
    data = zlib.compress(zlib.compress(b"q " * 150_000_000))
    return (
        samples.pdf(["x"])
        .replace(b"<</Length", b"<</Filter[/FlateDecode/FlateDecode]/Length", 1)
        .replace(b"BT /F1 11 Tf 50 740 Td (x) Tj 0 -14 Td ET", data)
    )


CASES: dict[str, tuple[Callable[[], bytes], str, Verdict, str | None]] = {
    "gzip bomb": (lambda: gzip.compress(ZEROS), "a.gz", FAILED, "archive_bomb"),
    "bzip2 bomb": (lambda: bz2.compress(ZEROS), "a.bz2", FAILED, "archive_bomb"),
    "xz bomb": (lambda: lzma.compress(ZEROS, preset=0), "a.xz", FAILED, "archive_bomb"),
    "zip member bomb": (lambda: samples.packed({"a": ZEROS, "ok.txt": "fine"}), "a.zip", PARTIAL, "archive_bomb"),
    "docx bomb": (lambda: samples.docx(samples.paragraph("A" * 50_000_000)), "a.docx", FAILED, "archive_bomb"),
    "pptx bomb": (lambda: samples.pptx([("A" * 50_000_000, "")]), "a.pptx", FAILED, "archive_bomb"),
    "xlsx bomb": (lambda: samples.xlsx({"S": samples.row(1, {"A": "A" * 50_000_000})}), "a.xlsx", FAILED, "archive_bomb"),
    "docx with an entity": (lambda: samples.docx(samples.paragraph("&x;"), doctype=ENTITY), "a.docx", FAILED, "entity_refused"),
    "xlsx with an entity": (
        lambda: samples.xlsx({"S": f"<?xml version='1.0'?>{ENTITY}<worksheet {samples.S}/>".encode()}),
        "a.xlsx",
        FAILED,
        "entity_refused",
    ),
    "xml with an entity in UTF-16": (
        lambda: f"<?xml version='1.0'?>{ENTITY}<a>&x;</a>".encode("utf-16"),
        "a.xml",
        FAILED,
        "entity_refused",
    ),
    "svg with an entity": (lambda: f"<?xml version='1.0'?>{ENTITY}<svg>&x;</svg>".encode(), "a.svg", FAILED, "entity_refused"),
    "epub with an entity": (lambda: samples.epub({"c.xhtml": "<p>Words &x; here</p>"}, doctype=ENTITY), "a.epub", OK, None),
    "far corner, lying dimension": (lambda: samples.xlsx({"S": FAR.encode()}), "a.xlsx", OK, None),
    "far corner in UTF-16": (
        lambda: samples.xlsx({"S": FAR.replace("?>", ' encoding="UTF-16"?>', 1).encode("utf-16")}),
        "a.xlsx",
        OK,
        None,
    ),
    "ods that repeats a value": (
        lambda: samples.odf(
            "spreadsheet",
            '<office:spreadsheet><table:table><table:table-row table:number-rows-repeated="1048576"><table:table-cell '
            'table:number-columns-repeated="16384" office:value-type="float" office:value="1"><text:p>1</text:p></table:table-cell>'
            "</table:table-row></table:table></office:spreadsheet>",
        ),
        "a.ods",
        FAILED,
        "too_large",
    ),
    "encrypted odt": (lambda: samples.odf("text", "", encrypted=True), "a.odt", FAILED, "needs_password"),
    "huge png": (lambda: _pixel_file("png"), "a.png", FAILED, "image_too_large"),
    "huge gif": (lambda: _pixel_file("gif"), "a.gif", FAILED, "image_too_large"),
    "huge bmp": (lambda: _pixel_file("bmp"), "a.bmp", FAILED, "image_too_large"),
    "huge tiff": (lambda: _pixel_file("tiff"), "a.tif", FAILED, "image_too_large"),
    "pdf of a million pages that are not there": (_million_pages, "a.pdf", OK, None),
    "pdf with a header only": (lambda: b"%PDF-1.7\n", "a.pdf", FAILED, "damaged"),
    "text about pdf": (lambda: b"A file begins with %PDF-1.4 and ends with a mark.\n" * 5, "a.txt", OK, None),
    "deep xml": (lambda: b"<?xml version='1.0'?>" + b"<a>" * 100_000 + b"words" + b"</a>" * 100_000, "a.xml", OK, None),
    "deep yaml": (lambda: b"[" * 100_000, "a.yaml", OK, None),
    "deep rtf": (lambda: b"{\\rtf1 " + b"{" * 100_000 + b"words" + b"}" * 100_001, "a.rtf", OK, None),
    "html of open comments": (lambda: b"<html><body>words" + b"<!--" * 200_000, "a.html", OK, None),
    "html of open tags": (lambda: b"<html><body>words " + b"<a " * 300_000, "a.html", OK, None),
    "html of brackets": (lambda: b"<html><body><p>" + b"[" * 200_000 + b"![" * 200_000, "a.html", OK, None),
    "html of entities": (lambda: b"<html><body><p>" + b"&amp;" * 200_000, "a.html", OK, None),
    "markdown of backticks": (lambda: b"`" * 1_000_000, "a.md", OK, None),
    "csv with 300,000 columns": (lambda: b",".join(b"c%d" % n for n in range(300_000)) + b"\n" + b"1," * 300_000, "a.csv", OK, None),
    "csv of quotes": (lambda: b"a,b\n" + b'"' * 500_001 + b"\n1,2\n", "a.csv", OK, None),
    "mail of nested multiparts": (
        lambda: (
            b"From: a@x\nTo: b@y\nSubject: s\n"
            + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000))
        ),
        "a.eml",
        PARTIAL,
        "nesting_limit",
    ),
    "mail of many parts": (
        lambda: b"From: a@x\nTo: b@y\nSubject: s\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nhi\n" * 10_000,
        "a.eml",
        PARTIAL,
        "nesting_limit",
    ),
    "zip cut in half": (lambda: samples.packed({"a.txt": os.urandom(2_000)})[:1_000], "a.zip", FAILED, "damaged"),
    "gzip cut in half": (lambda: gzip.compress(os.urandom(2_000))[:1_000], "a.gz", FAILED, "damaged"),
    "empty zip": (lambda: samples.packed({}), "a.zip", SKIPPED, "no_text"),
    "OLE junk": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + os.urandom(8_000), "a.xls", FAILED, "damaged"),
    "JPEG junk": (lambda: b"\xff\xd8\xff\xe0" + bytes(5_000), "a.jpg", FAILED, "damaged"),
    "control characters": (lambda: bytes(range(1, 9)) * 100, "a.txt", SKIPPED, "unknown_type"),
    "NULs": (lambda: bytes(1_000), "a.txt", SKIPPED, "unknown_type"),
    "an ELF program": (lambda: b"\x7fELF" + bytes(100), "a.txt", SKIPPED, "executable"),
    "a DOS program": (lambda: b"MZ" + bytes(200), "a.pdf", SKIPPED, "executable"),
    "a database": (lambda: b"SQLite format 3\0" + bytes(100), "a.db", SKIPPED, "unsupported_type"),
    "svg with a script": (
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>x()</script><text>Plan</text></svg>",
        "a.svg",
        OK,
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_hostile_file(case: str, extract: Read) -> None:
    make, name, verdict, code = CASES[case]
    data = make()
    async with asyncio.timeout(30):
        reading = await extract(data, name)
    assert (reading.outcome.verdict, reading.outcome.code) == (verdict, code), reading.outcome
    assert "root:" not in reading.text and "x()" not in reading.text


@pytest.mark.parametrize(("make", "name"), [(_lying_docx, "a.docx"), (_flate_bomb, "a.pdf")])
async def test_what_lies_about_its_size_meets_the_memory_limit(make: Callable[[], bytes], name: str, extract: Read) -> None:
    reading = await extract(make(), name, limits=replace(Limits(), memory_bytes=600 * 1024**2, timeout_s=60))
    assert (reading.outcome.verdict, reading.outcome.code) in ((FAILED, "memory_limit"), (FAILED, "damaged")), reading.outcome
    assert (await extract(b"the next one", "b.txt")).outcome.verdict is OK


async def test_members_with_unsafe_names_are_refused(extract: Read, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    data = samples.packed(
        [(link, "/etc/passwd"), ("../up.txt", "x"), ("/abs.txt", "x"), ("C:\\drive.txt", "x"), ("a\\..\\b.txt", "x"), ("ok/a.txt", "x")]
    )
    reading = await extract(data, "a.zip")
    assert [(member.name, member.problem and member.problem[0]) for member in reading.members] == [
        ("link", "unsafe_member"),
        ("up.txt", "unsafe_member"),
        ("abs.txt", "unsafe_member"),
        ("drive.txt", "unsafe_member"),
        ("a/b.txt", "unsafe_member"),
        ("ok/a.txt", None),
    ]
    tar = await extract(samples.tarred({"../up.txt": b"x", "ok.txt": b"x"}, links={"passwd": "/etc/passwd"}), "a.tar")
    assert [member.name for member in tar.members if member.problem is None] == ["ok.txt"]
    assert not (tmp_path / "up.txt").exists()


async def test_budgets_of_the_tree(extract: Read) -> None:
    data = samples.packed({f"{number}.txt": os.urandom(1_000) for number in range(10)})
    many = await extract(data, "a.zip", limits=replace(Limits(), members_left=4))
    assert (many.outcome.verdict, many.outcome.code) == (PARTIAL, "archive_too_many")
    assert len(many.members) == 4
    large = await extract(data, "a.zip", limits=replace(Limits(), member_bytes_left=3_500))
    assert (large.outcome.verdict, large.outcome.code) == (PARTIAL, "too_large")
    assert sum(member.path is not None for member in large.members) == 3


async def test_archives_below_the_depth_limit_are_not_opened(extract: Read) -> None:
    inner = samples.packed({"a.txt": "words"})
    outer = samples.packed({"inner.zip": inner, "b.txt": "more"})
    top = await extract(outer, "a.zip", limits=replace(Limits(), depth=2))
    assert [(member.name, member.problem and member.problem[0]) for member in top.members] == [
        ("inner.zip", "archive_too_deep"),
        ("b.txt", None),
    ]
    below = await extract(inner, "inner.zip", limits=replace(Limits(), depth=3))
    assert (below.outcome.verdict, below.outcome.code) == (FAILED, "archive_too_deep")


async def test_a_sparse_tar_member_is_not_unpacked(extract: Read) -> None:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("holes")
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "holes",
            "GNU.sparse.realsize": "1000000000000",
        }
        content = b"1\n0\n0\n".ljust(512, b"\0")
        info.size = len(content)
        archive.addfile(info, BytesIO(content))
    reading = await extract(out.getvalue(), "a.tar")
    assert reading.outcome.verdict is FAILED


async def test_encrypted_members_open_with_their_password(extract: Read) -> None:
    data = _aes_zip("secret.txt", b"the secret text", "key")
    locked = await extract(data, "a.zip")
    assert [member.problem and member.problem[0] for member in locked.members] == ["needs_password"]
    wrong = await extract(data, "a.zip", password="other")
    assert [member.problem and member.problem[0] for member in wrong.members] == ["wrong_password"]
    opened = await extract(data, "a.zip", password="key")
    assert opened.members[0].path is not None and opened.members[0].path.read_bytes() == b"the secret text"


def _aes_zip(name: str, content: bytes, password: str) -> bytes:
    """A stored member in WinZip's AE-2, written by the rules of its specification."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    salt = bytes(range(16))
    derived = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, 1000, 66)
    encryptor = Cipher(algorithms.AES(derived[:32]), modes.ECB()).encryptor()  # one counter block at a time
    stream = b"".join(encryptor.update(struct.pack("<QQ", number + 1, 0)) for number in range(len(content) // 16 + 1))
    body = bytes(a ^ b for a, b in zip(content, stream, strict=False))
    sealed = salt + derived[64:66] + body + hmac.new(derived[32:64], body, hashlib.sha1).digest()[:10]
    extra = struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", 3, 0)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 51, 1, 99, 0, 33, 0, len(sealed), len(content), len(name), len(extra))
    entry = struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 51, 51, 1, 99, 0, 33, 0, len(sealed), len(content), len(name), len(extra), 0, 0, 0, 0, 0
    )
    front = local + name.encode() + extra + sealed
    directory = entry + name.encode() + extra
    return front + directory + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(front), 0)


async def test_a_folder_or_a_pipe_is_not_read(extract: Read, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        assert (await extract(path)).outcome.code == "unreadable"


@pytest.mark.parametrize("text", ["\u200b\u200d\ufeff" * 3000, "\u202e\u2066 \u00ad\n", "\ufe0f" * 10])
async def test_a_text_of_invisible_characters_only_is_no_text(extract: Read, text: str) -> None:
    assert (await extract(text.encode(), "a.txt")).outcome.code == "no_text"
    assert (await extract((text + "\U0001f527").encode(), "b.txt")).outcome.verdict is OK


async def test_many_blank_pages_are_blank_and_not_damaged(extract: Read) -> None:
    outcome = (await extract(samples.blank_pdf(2000), "a.pdf")).outcome
    assert (outcome.verdict, outcome.code, outcome.pages) == (SKIPPED, "no_text", 2000)
