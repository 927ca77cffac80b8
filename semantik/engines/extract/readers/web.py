"""HTML: Markdown by html-to-markdown, and a linear dump of the text for pages that are nested too deeply for it."""

from __future__ import annotations

import re
from html import unescape
from io import StringIO

import html_to_markdown
from html_to_markdown import ConversionOptions

from semantik.engines.extract.decode import decode
from semantik.engines.extract.document import Document
from semantik.engines.extract.flow import Flow, clean, squeeze, without_targets
from semantik.engines.extract.readers.plain import markdown, must_have_text
from semantik.engines.extract.sink import Sink

# The converter recurses; real pages nest less than a hundred deep.
MAX_NESTING = 400
# It takes quadratic time for the entities of one text (html-to-markdown 3.21); above this they are resolved beforehand.
_MANY_ENTITIES = 2_000
_MASK = {ord("&"): "\ue0f0", ord("<"): "\ue0f1", ord(">"): "\ue0f2"}
_UNMASK = {0xE0F0: "&", 0xE0F1: "<", 0xE0F2: ">"}
_ENTITIES = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")

_TITLE = re.compile(r"<title[^>]*>([^<]{1,1000})", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]{0,2000}\[[^\]]*\]\s*>|<!ENTITY[^>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"<!ENTITY\s+(?:%\s+)?([\w:.-]+)", re.IGNORECASE)
_ELEMENT = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
_TAG = re.compile(r"<(?:!--|(/?)([a-zA-Z][a-zA-Z0-9]*)?[^<>]*>)")
_BLOCK_NAMES = (
    "p div br li tr table section article header footer h1 h2 h3 h4 h5 h6 ul ol dl dt dd pre blockquote hr form option title td th"
)
_BLOCK = frozenset(_BLOCK_NAMES.split())
_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "math", "head", "iframe", "object"})
# Elements that nothing closes, or that the next of their kind closes.
_LOOSE_NAMES = "area base br col embed hr img input link meta param source track wbr p li td tr th dt dd option"
_LOOSE = frozenset(_LOOSE_NAMES.split())


def read(document: Document, sink: Sink) -> None:
    data = document.read()
    text = decode(data) if document.charset.lossy else data[document.charset.bom :].decode(document.charset.name, "replace")
    into(text, sink)
    must_have_text(document, sink)


def into(text: str, sink: Sink) -> None:
    title = _TITLE.search(text[: 256 * 1024])
    if title and sink.title is None:
        sink.title = " ".join(clean(unescape(title.group(1))).split())[:500] or None
    flow = sink.flow()
    fill(text, flow, sink)
    flow.finish()


def fill(text: str, flow: Flow, sink: Sink) -> None:
    """Writes the page's text with its headings into `flow`."""
    rendered = rendering(text)
    markdown(iter(rendered.splitlines(keepends=True)), flow, sink)


def rendering(html: str) -> str:
    """Markdown without the addresses of links and images; blank when the page has no text."""
    html = clean(without_doctype(html))
    if nests_deeper(html, MAX_NESTING):
        return dump(html)
    if html.count("&") > _MANY_ENTITIES:
        html = _ENTITIES.sub(_resolved, html)
    try:
        found = html_to_markdown.convert(html, ConversionOptions(extract_metadata=False)).content or ""
    except (ValueError, RuntimeError, RecursionError):
        return dump(html)
    found = without_targets(clean(_restore(found)))
    return squeeze(found) if found.strip() else dump(html)


def _resolved(match: re.Match[str]) -> str:
    """A character for its entity; those that would become markup stay masked until the markup is gone."""
    return unescape(match.group()).translate(_MASK)


def _restore(text: str) -> str:
    return text.translate(_UNMASK) if max(text, default="") >= "\ue0f0" else text


def without_doctype(text: str) -> str:
    """Drops the document type with the entities it defines, and the places that name those."""
    names = set(_ENTITY.findall(text[: 256 * 1024]))
    text = _DOCTYPE.sub("", text)
    return re.sub("&(?:" + "|".join(map(re.escape, names)) + ");", "", text) if names else text


def nests_deeper(html: str, most: int) -> bool:
    """Whether elements lie more than `most` deep in each other, roughly and in linear time."""
    depth = 0
    for match in _ELEMENT.finditer(html):
        if match.group(1):
            depth = max(0, depth - 1)
        elif match.group(2).lower() not in _LOOSE and not match.group(3).endswith("/"):
            depth += 1
            if depth > most:
                return True
    return False


def dump(html: str) -> str:
    """Text in order, one line for each block. One pass over the tags and no tree, so neither depth nor damage costs anything."""
    out = StringIO()
    position = 0
    silent = ""
    last_comment = html.rfind("-->")
    for match in _TAG.finditer(html):
        start, end = match.span()
        if start < position:
            continue
        tag = (match.group(2) or "").lower()
        if silent:
            if match.group(1) and tag == silent:
                silent, position = "", end
            continue
        out.write(html[position:start])
        position = end
        if html.startswith("<!--", start):
            position = html.index("-->", start) + 3 if start < last_comment else end
        elif tag in _SILENT and not match.group(1) and not html.endswith("/>", start, end):
            silent = tag
        elif tag in _BLOCK:
            out.write("\n")
    if not silent:
        out.write(html[position:])
    lines = (" ".join(line.split()) for line in unescape(out.getvalue()).splitlines())
    return clean("\n".join(line for line in lines if line))
