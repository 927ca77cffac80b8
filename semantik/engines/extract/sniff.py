"""Says what a file is by its bytes, looking into zip and OLE containers; its name only decides between kinds of text."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import olefile

from semantik.engines.extract import magic
from semantik.engines.extract.decode import Charset, charset, is_text
from semantik.engines.extract.document import KINDS, Kind
from semantik.engines.extract.refusal import Refused, damaged, failed, skipped

HEAD = 64 * 1024

_PDF = re.compile(rb"%PDF-[12]\.\d")
_MAIL_FIRST = re.compile(
    rb"(?:return-path|received|from|to|subject|date|message-id|mime-version|delivered-to|x-[a-z0-9-]+|cc|reply-to|sender|content-type|"
    rb"dkim-signature|authentication-results|user-agent|in-reply-to|references|list-[a-z-]+):[ \t]*",
    re.IGNORECASE,
)
_MAIL_FIELD = re.compile(
    rb"^(from|to|cc|subject|date|message-id|received|return-path|mime-version|reply-to|sender):", re.IGNORECASE | re.MULTILINE
)
_HTML = re.compile(r"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_TAGS = re.compile(r"<(?:p|div|span|table|ul|ol|h[1-6]|a|br|title|meta|script|style|article|section)[\s>/]", re.IGNORECASE)
_XML_ROOT = re.compile(r"^\s*(?:<\?xml\b[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE\s+([\w:.-]+)|<([A-Za-z_][\w:.-]*))", re.DOTALL)


def suffix_of(name: str) -> str:
    return PurePosixPath(name.lower()).suffix.removeprefix(".")


def sniff(path: Path, name: str, size: int, head: bytes, password: str | None = None) -> tuple[Kind, Charset]:
    """The kind, and the charset of a text. Raises `Refused` for what is known but never read, and for what nobody knows."""
    if size == 0:
        raise skipped("empty_file", "The file is empty (0 bytes).", "Replace it with the real file, then retry.")
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        raise skipped(
            "lfs_pointer",
            "This is a Git LFS pointer, not the document itself.",
            "Run `git lfs pull` where the file comes from, then sync again.",
        )
    if _is_program(head):
        raise skipped("executable", "This is a program, not a document.")
    with open(path, "rb") as file:
        binary = _binary(file, head, size, name, password)
    if binary is not None:
        return KINDS[binary], Charset("utf-8")
    found = charset(head, complete=size <= len(head))
    if not is_text(head, found):
        raise _unknown(name)
    text = head[found.bom :].decode(found.name, "ignore")
    return KINDS[_text_kind(text, head, suffix_of(name), name)], found


def is_archive(path: Path, name: str) -> bool:
    """Whether an unpacked member is itself an archive that would be opened."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
        try:
            return _binary(file, head, path.stat().st_size, name, None) in ("zip", "tar", "gzip", "bzip2", "xz")
        except Refused:
            return False


def _unknown(name: str) -> Refused:
    suffix = suffix_of(name)
    if suffix in magic.DOCUMENT_NAMES:
        return failed(
            "unknown_type",
            f"The content is no .{suffix} file, and no other kind that is known; the file is damaged or misnamed.",
            "Open it in the program that made it, save it again and replace the file.",
        )
    return skipped("unknown_type", "The content is of no known kind of document.")


def _is_program(head: bytes) -> bool:
    if head.startswith(b"MZ") and (b"PE\x00\x00" in head[:4096] or b"This program" in head[:1024] or head[2:64].count(0) > 20):
        return True
    return head.startswith(magic.PROGRAMS)


def _binary(file: BinaryIO, head: bytes, size: int, name: str, password: str | None) -> str | None:
    pdf = _PDF.search(head)
    if pdf is not None and _trust_pdf(file, head, pdf.start(), size):
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip_kind(file, head, name)
    if head.startswith(olefile.MAGIC):
        return _ole_kind(file, password)
    for start, kind in (*magic.IMAGES, *magic.PACKED):
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"BM") and len(head) > 26 and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124):
        return "bmp"
    if head[257:262] == b"ustar" or _old_tar(head):
        return "tar"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{\\rt"):
        return "rtf"
    for start, words in magic.OTHERS:
        if head.startswith(start):
            raise skipped("unsupported_type", f"This is {words}, a kind that is not read.")
    if head[4:8] == b"ftyp":
        raise skipped("unsupported_type", "This is a video, audio or HEIF file, a kind that is not read.")
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI "):
        raise skipped("unsupported_type", "This is an audio or video file, a kind that is not read.")
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"\xff\xf9") and suffix_of(name) in ("mp3", "aac"):
        raise skipped("unsupported_type", "This is an audio file, a kind that is not read.")
    return None


def _trust_pdf(file: BinaryIO, head: bytes, position: int, size: int) -> bool:
    """`%PDF-1.` inside a text about PDF is no PDF; after junk it is one when the bytes around it are."""
    if not head[:position].strip():
        return True
    if head.startswith((b"PK\x03\x04", b"From ", b"Return-Path:", b"Received:", olefile.MAGIC)) or _MAIL_FIRST.match(head):
        return False
    file.seek(max(0, size - 4096))
    tail = file.read(4096)
    return b"%%EOF" in tail or b"startxref" in tail or (position < 1024 and b"\x00" in head[:2048])


def _old_tar(head: bytes) -> bool:
    """A tar of before 1988 has no magic, only a checksum."""
    if len(head) < 512 or head[0] == 0:
        return False
    try:
        told = int(head[148:156].strip(b" \x00") or b"-", 8)
    except ValueError:
        return False
    return told == sum(head[:148]) + 8 * 32 + sum(head[156:512])


def _zip_kind(file: BinaryIO, head: bytes, name: str) -> str:
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            names = {info.filename for info in archive.infolist()}
            mimetype = _mimetype(archive) if "mimetype" in names else ""
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, UnicodeDecodeError, IndexError) as error:
        raise _broken_zip(head, name) from error
    if mimetype == "application/epub+zip" or "META-INF/container.xml" in names:
        return "epub"
    for prefix, kind in (("opendocument.text", "odt"), ("opendocument.spreadsheet", "ods"), ("opendocument.presentation", "odp")):
        if prefix in mimetype:
            return kind
    if "[Content_Types].xml" in names or "_rels/.rels" in names:
        for folder, kind in (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx")):
            if any(entry.startswith(folder) for entry in names):
                return "xlsb" if "xl/workbook.bin" in names else kind
    for marker, kind in (("word/document.xml", "docx"), ("ppt/presentation.xml", "pptx"), ("xl/workbook.xml", "xlsx")):
        if marker in names:
            return kind
    if "content.xml" in names and "meta.xml" in names:
        return {"ods": "ods", "odp": "odp"}.get(suffix_of(name), "odt")
    if "META-INF/MANIFEST.MF" in names or "classes.dex" in names or "AndroidManifest.xml" in names:
        raise skipped("executable", "This is a Java or Android program, not a document.")
    return "zip"


def _mimetype(archive: zipfile.ZipFile) -> str:
    with archive.open("mimetype") as entry:
        return entry.read(200).decode("ascii", "replace").strip()


def _broken_zip(head: bytes, name: str) -> Refused:
    office = any(marker in head for marker in (b"[Content_Types].xml", b"word/", b"ppt/", b"xl/", b"mimetypeapplication/"))
    suffix = suffix_of(name)
    if office or suffix in magic.DOCUMENT_NAMES - {"zip"}:
        return damaged(
            f".{suffix} file" if suffix else "document", "its table of contents is missing or broken, as after a transfer that was cut"
        )
    return damaged("ZIP archive", "its table of contents is missing or broken, as after a transfer that was cut")


def _ole_kind(file: BinaryIO, password: str | None) -> str:
    file.seek(0)
    try:
        ole = olefile.OleFileIO(file, raise_defects=olefile.DEFECT_FATAL)
    except (OSError, ValueError, IndexError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise damaged("Office 97 document", "its inner folder cannot be read") from error
    with ole:
        names = {"/".join(entry).lower() for entry in ole.listdir(streams=True, storages=True)}
        if "encryptedpackage" in names:
            return "ooxml-encrypted"
        if "__properties_version1.0" in names:
            return "msg"
        if "worddocument" in names:
            with ole.openstream("WordDocument") as stream:
                if len(start := stream.read(12)) == 12 and start[11] & 1:
                    raise _legacy_lock("Word 97 document", password)
            return "doc"
        if "powerpoint document" in names:
            user = ole.openstream("Current User").read(16) if "current user" in names else b""
            if "encryptedsummary" in names or user[12:16] == b"\xdf\xc4\xd1\xf3":
                raise _legacy_lock("PowerPoint 97 presentation", password)
            return "ppt"
        if "workbook" in names or "book" in names:
            return "xls"
    raise skipped("unsupported_type", "This is an OLE container without a Word, Excel, PowerPoint or Outlook document in it.")


def _legacy_lock(what: str, password: str | None) -> Refused:
    if password is None:
        return failed(
            "needs_password",
            f"The {what} is encrypted and needs a password.",
            "This old encryption is not opened here: save it without a password, or as .docx, .xlsx or .pptx, and replace the file.",
        )
    return failed(
        "needs_password",
        f"The {what} is encrypted in the old format of Office 97, which is not opened here even with its password.",
        "Save it without a password, or as .docx, .xlsx or .pptx, and replace the file.",
    )


def _text_kind(text: str, head: bytes, suffix: str, name: str) -> str:
    start = text.lstrip("\ufeff \t\r\n")
    if head.startswith(b"From ") and _MAIL_FIELD.search(head[:4096]):
        return "mbox"
    if suffix not in magic.CODE and _is_mail(text):
        return "eml"
    if suffix in ("html", "htm", "xhtml"):
        return "html"
    if start.startswith("<"):
        root = _XML_ROOT.match(start[:8192])
        tag = (root.group(1) or root.group(2)).lower() if root else ""
        if tag == "html" or (
            not start.startswith("<?xml") and suffix not in magic.CODE and suffix not in ("md", "markdown") and _HTML.search(start[:4096])
        ):
            return "html"
        if tag == "svg" or tag.endswith(":svg"):
            return "svg"
        if start.startswith("<?xml") or suffix in ("xml", "svg", "rss", "atom", "xsd", "xsl", "xslt", "xht", "kml", "gpx", "opml", "plist"):
            return "xml"
        if "<!DOCTYPE" in start[:2048] and root is not None:
            return "xml"
        if suffix not in magic.BY_NAME and suffix not in magic.CODE and len(_TAGS.findall(start[:8192])) >= 3:
            return "html"
    by_name = magic.BY_NAME.get(suffix)
    if by_name is not None and by_name not in ("html", "xml", "svg", "eml", "mbox"):
        return by_name
    if suffix in magic.CODE or name.lower() in ("makefile", "dockerfile", "cmakelists.txt", "jenkinsfile"):
        return "code"
    return "text"


def _is_mail(text: str) -> bool:
    """The first line is a header field, and the block before the first blank line has at least two fields of mail."""
    block = text[:16384].lstrip("\ufeff\r\n").replace("\r\n", "\n").split("\n\n", 1)[0].encode("ascii", "replace")
    if not _MAIL_FIRST.match(block):
        return False
    fields = {field.lower() for field in _MAIL_FIELD.findall(block)}
    strong = fields & {b"message-id", b"received", b"mime-version", b"return-path"}
    lines = block.split(b"\n")
    shaped = sum(1 for line in lines if line[:1] in b" \t" or re.match(rb"[!-9;-~]+:", line))
    return len(fields) >= 2 and shaped * 10 >= len(lines) * 8 and (bool(strong) or len(fields) >= 3)
