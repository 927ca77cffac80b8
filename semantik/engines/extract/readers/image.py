"""Images by OCR, after a look at the header; a cut-off image is read as far as it goes."""

from __future__ import annotations

import io
import struct
import warnings

from PIL import Image, ImageFile, UnidentifiedImageError

from semantik.engines.extract import guards
from semantik.engines.extract.document import Document
from semantik.engines.extract.readers.ocr import MEMORY, Ocr
from semantik.engines.extract.refusal import damaged, partial, skipped
from semantik.engines.extract.sink import Sink

# The guard has its own limit and its own words.
Image.MAX_IMAGE_PIXELS = None
# Nothing smaller holds a line of legible text.
MIN_SIDE = 12
# A page of A4 at 300 dpi has 8.7 MP; more pixels only cost time.
WORK_PIXELS = 20_000_000
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
_ERRORS = (OSError, ValueError, SyntaxError, struct.error, EOFError, IndexError, KeyError, TypeError, OverflowError)


def read(document: Document, sink: Sink) -> None:
    words = document.kind.words
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(document.path, formats=_FORMATS)
            frames = getattr(image, "n_frames", 1) if document.kind.name == "tiff" else 1
    except UnidentifiedImageError:
        raise damaged(words) from None
    except _ERRORS as error:
        raise damaged(words) from error
    with image:
        sink.metadata["width"], sink.metadata["height"] = image.size
        sink.pages = frames
        ocr = Ocr(document, sink)
        if frames > 1000:
            sink.warn(f"The image holds {frames:,} pages.")
        for number in range(1, min(frames, 10_000) + 1):
            if not ocr.possible:
                ocr.left_out.extend(range(number, frames + 1))
                break
            _page(document, sink, image, number, frames, ocr)
    loss = ocr.loss()
    if loss is not None:
        if sink.chars == 0:
            raise skipped(loss.code, loss.reason, loss.hint)
        sink.lose(loss)
    if sink.chars == 0 and not sink.losses:
        raise skipped("no_text", f"OCR found no text in the {words}.")
    if sink.chars == 0:
        raise damaged(words, "it is cut off and no text is left in what can be seen")


def _page(document: Document, sink: Sink, image: Image.Image, number: int, frames: int, ocr: Ocr) -> None:
    words = document.kind.words
    try:
        if number > 1:
            image.seek(number - 1)
    except _ERRORS:
        sink.lose(partial("pages_failed", f"Page {number} and those after it cannot be read."))
        return
    guards.pixels(*image.size, words)
    if min(image.size) < MIN_SIDE:
        return
    document.allow_memory(MEMORY)
    prepared = _prepared(document, sink, image)
    if prepared is None:
        return
    text = ocr.page(prepared, "image/png", number if frames > 1 else None)
    sink.part(text, page=number if frames > 1 else None, ocr=True)


def _prepared(document: Document, sink: Sink, image: Image.Image) -> bytes | None:
    """A PNG in grey, without transparency, at most WORK_PIXELS; what a cut file holds is kept and said."""
    try:
        image.load()
    except _ERRORS:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            image.load()
        except _ERRORS as error:
            if document.kind.name != "tiff":
                raise damaged(document.kind.words) from error
            sink.lose(partial("pages_failed", "Some pages of the image cannot be decoded."))
            return None
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        sink.lose(
            partial(
                "truncated",
                f"The {document.kind.words} is cut off; only the part that arrived was read.",
                "Replace it with the whole file, then retry.",
            )
        )
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    grey = image.convert("L")
    size = grey.width * grey.height
    if size > WORK_PIXELS:
        scale = (WORK_PIXELS / size) ** 0.5
        grey = grey.resize((max(1, int(grey.width * scale)), max(1, int(grey.height * scale))))
    low, high = grey.getextrema()
    if low == high:
        return None
    out = io.BytesIO()
    grey.save(out, "PNG", compress_level=1)
    return out.getvalue()
