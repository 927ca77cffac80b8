"""What the first bytes of files look like, and which kinds of text their names tell apart."""

from __future__ import annotations

IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
)
PACKED = ((b"\x1f\x8b\x08", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))
PROGRAMS = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\x00asm",
    b"dex\n035",
)
# Kinds that are known and not read, so that the row can say what they are.
OTHERS = (
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"ID3", "an audio file"),
    (b"fLaC", "an audio file"),
    (b"OggS", "an Ogg media file"),
    (b"\x1aE\xdf\xa3", "a Matroska video"),
    (b"FLV\x01", "a Flash video"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"OTTO\x00", "a font"),
    (b"\x00\x01\x00\x00\x00", "a font"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"8BPS\x00\x01", "a Photoshop file"),
    (b"%!PS-Adobe", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"AT&TFORM", "a DjVu file"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"!<arch>\n", "a static library"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"MSCF\x00\x00\x00\x00", "a CAB archive"),
    (b"ITSF\x03\x00\x00\x00", "a CHM help file"),
    (b"-----BEGIN PGP MESSAGE-----", "a PGP message"),
)

BY_NAME = {
    "csv": "csv",
    "tsv": "tsv",
    "tab": "tsv",
    "md": "markdown",
    "markdown": "markdown",
    "mdown": "markdown",
    "mkd": "markdown",
    "mdx": "markdown",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
    "geojson": "json",
    "ipynb": "json",
    "yaml": "yaml",
    "yml": "yaml",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "xml": "xml",
    "svg": "svg",
    "eml": "eml",
    "mbox": "mbox",
}
_CODE_WORDS = (
    "py pyi pyx js mjs cjs jsx ts tsx java kt kts scala groovy c h cc cpp cxx hpp hh m mm cs fs go rs rb php pl pm "
    "lua r jl swift dart ex exs erl hs ml clj cljs lisp el scm vb vbs ps1 psm1 sh bash zsh fish bat cmd sql proto "
    "thrift graphql gql tf hcl nix zig nim v sv vhd vhdl asm s f f90 f95 for pas cob cbl ada d css scss sass less "
    "vue svelte toml ini cfg conf properties gradle cmake make mk dockerfile diff patch"
)
CODE = frozenset(_CODE_WORDS.split())
_DOCUMENT_NAMES_WORDS = (
    "pdf docx docm dotx xlsx xlsm xls doc ppt pptx pptm odt ods odp epub rtf msg zip png jpg jpeg gif tif tiff webp bmp tar gz bz2 xz"
)
DOCUMENT_NAMES = frozenset(_DOCUMENT_NAMES_WORDS.split())
