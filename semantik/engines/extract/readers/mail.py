"""Mail: header and body as text, attachments and forwarded mails as members; mailboxes as folders of mails.

The splitter is our own: the standard library's parser recurses with the nesting of the message, which a sender chooses.
"""

from __future__ import annotations

import base64
import binascii
import email.errors
import email.header
import email.message
import email.parser
import email.policy
import email.utils
import mimetypes
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from semantik.engines.extract.decode import decode
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import Flow, clean, squeeze
from semantik.engines.extract.readers import web
from semantik.engines.extract.readers.members import Members, leaf_name
from semantik.engines.extract.refusal import partial, skipped
from semantik.engines.extract.sink import Sink

MAX_NESTING = 20
MAX_PARTS = 2_000
_HEADER_BYTES = 512 * 1024
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n|\r\r")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_FIELDS = ("From", "To", "Cc", "Date")
_PGP = re.compile(r"-----BEGIN PGP MESSAGE-----.*?(?:-----END PGP MESSAGE-----|\Z)", re.DOTALL)


@dataclass(slots=True)
class _Found:
    """What a walk over a message collects."""

    texts: list[str] = field(default_factory=list)
    attachments: list[tuple[str, bytes]] = field(default_factory=list)
    encrypted: bool = False
    signed: bool = False
    too_deep: bool = False
    too_many: bool = False
    parts: int = 0
    inline_images: int = 0


def read(document: Document, sink: Sink) -> None:
    if document.kind.name == "mbox":
        _mailbox(document, sink)
        return
    headers, body = split(document.read())
    found = _Found()
    _walk(headers, body, found, 0)
    _write(headers, found, sink)
    _attach(document, sink, found)
    if found.encrypted:
        sink.lose(
            partial(
                "encrypted_body",
                "The body of the mail is encrypted; only its header is indexed.",
                "Save the mail decrypted and replace the file.",
            )
        )
    if found.signed:
        sink.warn("The mail is wrapped in an opaque signature; what is inside could not be read.")
    if found.too_deep or found.too_many:
        sink.lose(
            partial(
                "nesting_limit",
                f"The mail is nested more than {MAX_NESTING} deep or has more than {MAX_PARTS:,} parts; the rest is left out.",
            )
        )


def split(data: bytes) -> tuple[email.message.Message, bytes]:
    """(parsed header, body). Never raises on what a sender can write."""
    if data.startswith(b"From ") and b"\n" in data:
        data = data[data.index(b"\n") + 1 :]
    data = data.lstrip(b"\xef\xbb\xbf\r\n")
    blank = _BLANK_LINE.search(data)
    head, body = (data[: blank.start()], data[blank.end() :]) if blank else (data, b"")
    if data[:1] == b"\n":
        head, body = b"", data
    return email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(head[:_HEADER_BYTES] + b"\n\n"), body


def _walk(headers: email.message.Message, body: bytes, found: _Found, depth: int, related: bool = False) -> None:
    found.parts += 1
    if found.parts > MAX_PARTS:
        found.too_many = True
        return
    kind = headers.get_content_type()
    if kind.startswith("multipart/"):
        if kind == "multipart/encrypted":
            found.encrypted = True
            return
        if depth >= MAX_NESTING:
            found.too_deep = True
            return
        _multipart(headers, kind, body, found, depth)
        return
    data = _transfer(headers, body)
    name = _filename(headers)
    disposition = str(headers.get("Content-Disposition", "")).strip().lower()
    if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        smime = str(headers.get_param("smime-type") or "").lower()
        found.signed |= "signed" in smime
        found.encrypted |= "signed" not in smime
    elif kind in ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature", "application/pgp-encrypted"):
        return
    elif kind == "message/rfc822" or kind == "message/global":
        inner, _ = split(data)
        found.attachments.append((name or f"{words(inner.get('Subject')) or 'forwarded mail'}.eml", data))
    elif related and kind.startswith("image/") and not disposition.startswith("attachment"):
        found.inline_images += 1
    elif kind.startswith("text/") and not disposition.startswith("attachment") and (kind in ("text/plain", "text/html") or not name):
        found.texts.append(_text(headers, kind, data))
    elif kind in ("message/delivery-status", "message/disposition-notification", "text/rfc822-headers"):
        found.texts.append(clean(decode(data)))
    elif data.strip():
        suffix = mimetypes.guess_extension(kind) or ".bin"
        found.attachments.append((name or f"attachment-{len(found.attachments) + 1}{suffix}", data))


def _multipart(headers: email.message.Message, kind: str, body: bytes, found: _Found, depth: int) -> None:
    pieces = _pieces(headers, body)
    if not pieces:
        # No boundary is found: what stands there is better than nothing.
        found.texts.append(clean(decode(body)))
        return
    if kind != "multipart/alternative":
        for inner, content in pieces:
            _walk(inner, content, found, depth + 1, related=kind == "multipart/related")
        return
    # The same content in several forms: the plainest that is not much shorter than the others.
    choices = []
    for inner, content in pieces:
        choice = _Found(parts=found.parts)
        _walk(inner, content, choice, depth + 1)
        found.parts = choice.parts
        found.attachments += choice.attachments
        found.encrypted |= choice.encrypted
        found.too_deep |= choice.too_deep
        found.too_many |= choice.too_many
        found.inline_images += choice.inline_images
        choices.append("\n".join(choice.texts))
    longest = max(map(len, choices))
    found.texts.append(next(text for text in choices if len(text) * 4 >= longest))


def _pieces(headers: email.message.Message, body: bytes) -> list[tuple[email.message.Message, bytes]]:
    boundary = _parameter(headers, "boundary")
    if not boundary:
        return []
    mark = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary.encode("utf-8", "surrogateescape")) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    pieces: list[tuple[email.message.Message, bytes]] = []
    start: int | None = None
    position = 0
    while len(pieces) <= MAX_PARTS and (match := mark.search(body, position)):
        if start is not None:
            pieces.append(split_part(body[start : match.start()]))
        if match.group(1):
            start = None
            break
        start = match.end()
        # The line end of one mark may be the one before the next.
        position = max(match.end() - 1, match.start() + 1) if body[match.end() - 1 : match.end()] == b"\n" else match.end()
    if start is not None:
        # No closing mark: the mail was cut off, its last part counts.
        pieces.append(split_part(body[start:]))
    return pieces


def split_part(data: bytes) -> tuple[email.message.Message, bytes]:
    """Like `split`; a part may begin with the blank line that ends an empty header."""
    if data[:1] in (b"\n", b"\r"):
        return email.message.Message(), data.lstrip(b"\r\n")
    return split(data)


def _parameter(headers: email.message.Message, name: str) -> str:
    try:
        value = headers.get_param(name)
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return email.utils.collapse_rfc2231_value(value).strip() if value else ""


def _filename(headers: email.message.Message) -> str:
    try:
        name = headers.get_filename()
    except (ValueError, LookupError, TypeError, AttributeError, UnicodeError):
        return ""
    return words(name) if name else ""


def _transfer(headers: email.message.Message, body: bytes) -> bytes:
    """Undoes the transfer encoding as far as it goes; broken base64 gives what can be decoded."""
    encoding = str(headers.get("Content-Transfer-Encoding", "")).strip().lower()
    if encoding == "base64":
        letters = _NOT_BASE64.sub(b"", body)
        letters = letters[:-1] if len(letters) % 4 == 1 else letters
        return base64.b64decode(letters + b"=" * (-len(letters) % 4))
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding in ("x-uuencode", "uuencode", "uue", "x-uue"):
        return b"".join(_uu(body))
    return body


def _uu(body: bytes) -> Iterator[bytes]:
    for line in body.splitlines():
        if line.startswith(b"begin ") or line.strip() in (b"end", b""):
            continue
        try:
            yield binascii.a2b_uu(line)
        except binascii.Error:
            continue


def _text(headers: email.message.Message, kind: str, data: bytes) -> str:
    text = decode(data, declared=_parameter(headers, "charset") or None)
    if kind == "text/html":
        return web.rendering(text)
    return clean(text)


def words(value: object) -> str:
    """A header field as one line of text, encoded words decoded as far as they can be."""
    if value is None:
        return ""
    raw = str(value) if not isinstance(value, email.header.Header) else str(value.encode())
    try:
        decoded = "".join(_word(piece, charset) for piece, charset in email.header.decode_header(raw))
    except (ValueError, email.errors.HeaderParseError, binascii.Error):
        decoded = raw
    if any("\udc80" <= character <= "\udcff" for character in decoded):
        decoded = decode(decoded.encode("utf-8", "surrogateescape"))
    return " ".join(clean(decoded).split())[:2000]


def _word(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    try:
        return piece.decode(charset or "utf-8", "strict")
    except (LookupError, UnicodeDecodeError):
        return decode(piece)


def _write(headers: email.message.Message, found: _Found, sink: Sink) -> None:
    subject = words(headers.get("Subject"))
    flow: Flow = sink.flow()
    if subject:
        sink.title = subject[:500]
        flow.heading(1, subject[:500])
        flow.add(f"Subject: {subject}\n")
    for name in _FIELDS:
        value = words(", ".join(str(one) for one in headers.get_all(name, [])[:50]))
        if value:
            sink.metadata[name.lower()] = value[:1000]
            flow.add(f"{name}: {value}\n")
    _date(headers, sink)
    if identity := words(headers.get("Message-ID")):
        sink.metadata["message_id"] = identity[:300]
    if found.inline_images:
        sink.metadata["inline_images"] = found.inline_images
    for text in found.texts:
        if _PGP.search(text):
            found.encrypted = True
            text = _PGP.sub("", text)
        if text.strip():
            flow.add("\n" + squeeze(text).strip("\n") + "\n")
    flow.finish()


def _date(headers: email.message.Message, sink: Sink) -> None:
    raw = headers.get("Date")
    if raw is None:
        return
    try:
        sink.metadata["date"] = email.utils.parsedate_to_datetime(str(raw)).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError):
        sink.metadata.pop("date", None)
        sink.warn("The mail's date cannot be understood.")


def _attach(document: Document, sink: Sink, found: _Found) -> None:
    if not found.attachments:
        return
    members = Members(document, sink)
    for number, (name, data) in enumerate(found.attachments, 1):
        leaf = leaf_name(name, f"attachment-{number}")
        if document.limits.depth >= document.limits.max_depth:
            members.refuse(
                leaf, len(data), "nesting_limit", f"It lies inside {document.limits.depth + 1} containers; deeper ones are not opened."
            )
        else:
            members.add(leaf, [data], claimed=len(data))
    sink.metadata["attachments"] = len(found.attachments)
    members.lose_attachments()


def _mailbox(document: Document, sink: Sink) -> None:
    members = Members(document, sink)
    for number, message in enumerate(_messages(document), 1):
        headers, _ = split(message[:_HEADER_BYTES])
        subject = leaf_name(words(headers.get("Subject"))[:80].replace("/", "-"), "mail")
        members.add(f"{number:05d} {subject}.eml", [message], claimed=len(message))
        if members.full:
            members.refuse("", 0, "archive_too_many", "")
            break
    members.conclude()
    if members.given == 0 and not sink.losses:
        raise skipped("no_text", "The mailbox is empty.")


def _messages(document: Document) -> Iterator[bytes]:
    """Messages as they follow each other; one that is larger than the budget is cut there and refused by its size."""
    most = document.limits.member_bytes_left + 1
    held: list[bytes] = []
    size = 0
    blank = True
    with open(document.path, "rb") as file:
        for line in iter(lambda: file.readline(1024**2), b""):
            if blank and line.startswith(b"From "):
                if held:
                    yield b"".join(held)
                held, size = [], 0
            elif size < most:
                held.append(line[1:] if line.startswith(b">From ") else line)
                size += len(line)
            blank = not line.strip()
    if held:
        yield b"".join(held)
