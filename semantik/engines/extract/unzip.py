"""Members of a ZIP in pieces, also encrypted ones: ZipCrypto by the standard library, WinZip AES (AE-1, AE-2) here."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zipfile
import zlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PIECE = 256 * 1024
_AES_METHOD = 99
_AES_EXTRA = 0x9901
_NAMES = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd"}


class WrongPassword(Exception):
    pass


class UnknownMethod(Exception):
    """The message names the method."""


def pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, password: str | None) -> Iterator[bytes]:
    """Raises `WrongPassword` and `UnknownMethod` before the first piece; zipfile's errors for what is damaged."""
    if entry.compress_type == _AES_METHOD:
        return _aes(archive, entry, password or "")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        raise UnknownMethod(_NAMES.get(entry.compress_type, f"method {entry.compress_type}"))
    if entry.flag_bits & 1:
        # Checked here by one byte and at the end by the CRC.
        try:
            archive.open(entry, pwd=(password or "").encode("utf-8")).close()
        except RuntimeError as error:
            raise WrongPassword(entry.filename) from error
    return _plain(archive, entry, password)


def _plain(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, password: str | None) -> Iterator[bytes]:
    with archive.open(entry, pwd=password.encode("utf-8") if password and entry.flag_bits & 1 else None) as stream:
        while piece := stream.read(PIECE):
            yield piece


def _aes(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, password: str) -> Iterator[bytes]:
    strength, method = _aes_extra(entry)
    key_size = {1: 16, 2: 24, 3: 32}.get(strength)
    if key_size is None or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnknownMethod("an unknown form of AES encryption")
    data = _raw(archive, entry)
    salt, check, body, code = data[: key_size // 2], data[key_size // 2 : key_size // 2 + 2], data[key_size // 2 + 2 : -10], data[-10:]
    derived = hashlib.pbkdf2_hmac("sha1", password.encode("utf-8"), salt, 1000, 2 * key_size + 2)
    if derived[-2:] != check or not hmac.compare_digest(hmac.new(derived[key_size : 2 * key_size], body, hashlib.sha1).digest()[:10], code):
        raise WrongPassword(entry.filename)
    return _opened(derived[:key_size], body, method)


def _opened(key: bytes, body: bytes, method: int) -> Iterator[bytes]:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  # each counter is another block: this is CTR
    inflate = zlib.decompressobj(-15) if method == zipfile.ZIP_DEFLATED else None
    for start in range(0, len(body), PIECE):
        sealed = body[start : start + PIECE]
        first = start // 16 + 1
        blocks = (len(sealed) + 15) // 16
        # The counter runs little-endian from 1, which no ready-made mode does.
        counters = b"".join(struct.pack("<QQ", number, 0) for number in range(first, first + blocks))
        stream = encryptor.update(counters)[: len(sealed)]
        piece = (int.from_bytes(sealed, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(sealed), "little")
        if inflate is None:
            yield piece
            continue
        while piece:
            yield inflate.decompress(piece, PIECE)
            piece = inflate.unconsumed_tail
    if inflate is not None:
        yield inflate.flush()


def _aes_extra(entry: zipfile.ZipInfo) -> tuple[int, int]:
    extra = entry.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == _AES_EXTRA and size >= 7 and len(extra) >= 11:
            _, _, strength, method = struct.unpack("<H2sBH", extra[4:11])
            return strength, method
        extra = extra[4 + size :]
    return 0, 0


def _raw(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    assert archive.fp is not None, "the archive is open"
    archive.fp.seek(entry.header_offset)
    head = archive.fp.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no local header")
    name_size, extra_size = struct.unpack("<HH", head[26:30])
    archive.fp.seek(name_size + extra_size, 1)
    data = archive.fp.read(entry.compress_size)
    if len(data) < max(entry.compress_size, 20):
        raise zipfile.BadZipFile("the member is cut off")
    return data
