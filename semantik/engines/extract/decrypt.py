"""Opens encrypted OOXML packages: Standard and Agile encryption of [MS-OFFCRYPTO] 2.3.4."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lxml import etree

_AGILE_NS = "{http://schemas.microsoft.com/office/2006/encryption}"
_KEY_NS = "{http://schemas.microsoft.com/office/2006/keyEncryptor/password}"
_BLOCK_INPUT = bytes.fromhex("fea7d2763b4b9e79")
_BLOCK_VALUE = bytes.fromhex("d7aa0f6d3061344e")
_BLOCK_KEY = bytes.fromhex("146e0be7abacd0d6")
_HASHES = {
    "SHA1": "sha1",
    "SHA-1": "sha1",
    "SHA256": "sha256",
    "SHA-256": "sha256",
    "SHA384": "sha384",
    "SHA-384": "sha384",
    "SHA512": "sha512",
    "SHA-512": "sha512",
}
_SEGMENT = 4096
# Office writes 100,000; the format allows ten million, which is minutes of CPU for one guess.
_MAX_SPIN = 1_000_000
_STANDARD_SPIN = 50_000


class NotThePassword(Exception):
    pass


class Unopenable(Exception):
    """The message names the kind of encryption."""


def open_package(info: bytes, package: bytes, password: str) -> bytes:
    """The package inside. `info` and `package` are the streams EncryptionInfo and EncryptedPackage."""
    if len(info) < 8 or len(package) < 8:
        raise Unopenable("a damaged header")
    major, minor = struct.unpack("<HH", info[:4])
    size = struct.unpack("<Q", package[:8])[0]
    if (major, minor) == (4, 4):
        return _agile(info[8:], package[8:], password)[:size]
    if minor == 2 and major in (2, 3, 4):
        return _standard(info[4:], package[8:], password)[:size]
    raise Unopenable(f"a scheme of version {major}.{minor}")


def _decrypt(key: bytes, data: bytes, iv: bytes | None = None) -> bytes:
    data = data[: len(data) // 16 * 16]
    decryptor = Cipher(algorithms.AES(key), modes.ECB() if iv is None else modes.CBC(iv)).decryptor()  # noqa: S305  # the format's choice
    return decryptor.update(data) + decryptor.finalize()


def _spun(algorithm: str, salt: bytes, password: str, spin: int) -> bytes:
    digest = hashlib.new(algorithm, salt + password.encode("utf-16-le")).digest()
    for number in range(spin):
        digest = hashlib.new(algorithm, struct.pack("<I", number) + digest).digest()
    return digest


def _agile(xml: bytes, sealed: bytes, password: str) -> bytes:
    try:
        root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))
        data, key = root.find(f"{_AGILE_NS}keyData"), root.find(f".//{_KEY_NS}encryptedKey")
    except etree.XMLSyntaxError as error:
        raise Unopenable("a damaged header") from error
    if data is None or key is None:
        raise Unopenable("a certificate")
    package, encryptor = _fields(data), _fields(key)
    try:
        algorithm, outer = _HASHES[encryptor["hashAlgorithm"]], _HASHES[package["hashAlgorithm"]]
        salt, spin, size = _bytes(encryptor, "saltValue"), int(encryptor["spinCount"]), int(encryptor["keyBits"]) // 8
        if encryptor["cipherAlgorithm"] != "AES" or package["cipherAlgorithm"] != "AES" or spin > _MAX_SPIN or size not in (16, 24, 32):
            raise Unopenable(f"{encryptor['cipherAlgorithm']} with {spin:,} rounds")
        digest = _spun(algorithm, salt, password, spin)

        def opened(block: bytes, field: str) -> bytes:
            derived = hashlib.new(algorithm, digest + block).digest()[:size].ljust(size, b"\x36")
            return _decrypt(derived, _bytes(encryptor, field), salt[:16].ljust(16, b"\x36"))

        proof = hashlib.new(algorithm, opened(_BLOCK_INPUT, "encryptedVerifierHashInput")[: int(encryptor["saltSize"])]).digest()
        if not hmac.compare_digest(proof, opened(_BLOCK_VALUE, "encryptedVerifierHashValue")[: len(proof)]):
            raise NotThePassword
        secret = opened(_BLOCK_KEY, "encryptedKeyValue")[:size]
        outer_salt, out = _bytes(package, "saltValue"), bytearray()
        for number in range(0, len(sealed), _SEGMENT):
            iv = hashlib.new(outer, outer_salt + struct.pack("<I", number // _SEGMENT)).digest()[:16].ljust(16, b"\x36")
            out += _decrypt(secret, sealed[number : number + _SEGMENT], iv)
        return bytes(out)
    except (KeyError, ValueError) as error:
        raise Unopenable("an unknown scheme") from error


def _fields(element: etree._Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.attrib.items()}


def _bytes(fields: Mapping[str, str], name: str) -> bytes:
    return base64.b64decode(fields[name])


def _standard(info: bytes, sealed: bytes, password: str) -> bytes:
    try:
        header_size = struct.unpack("<I", info[4:8])[0]
        _, _, cipher, _, key_bits = struct.unpack("<IIIII", info[8:28])
        verifier = info[8 + header_size :]
        salt, check, proof = verifier[4:20], verifier[20:36], verifier[40:72]
        if cipher not in (0x660E, 0x660F, 0x6610) or key_bits not in (128, 192, 256) or len(proof) < 32:
            raise Unopenable("RC4 or an unknown cipher")
    except struct.error as error:
        raise Unopenable("a damaged header") from error
    # SHA-1 and ECB are what the format prescribes.
    digest = hashlib.sha1(_spun("sha1", salt, password, _STANDARD_SPIN) + struct.pack("<I", 0)).digest()  # noqa: S324
    padded = digest.ljust(64, b"\0")
    halves = (hashlib.sha1(bytes(byte ^ pad for byte in padded)).digest() for pad in (0x36, 0x5C))  # noqa: S324
    key = b"".join(halves)[: key_bits // 8]
    if not hmac.compare_digest(hashlib.sha1(_decrypt(key, check)).digest(), _decrypt(key, proof)[:20]):  # noqa: S324
        raise NotThePassword
    return _decrypt(key, sealed)
