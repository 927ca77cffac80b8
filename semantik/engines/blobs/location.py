"""Reads SEMANTIK_BLOBS_URL: which backend holds the originals, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from semantik.kit.errors import Misconfigured

_OPTIONS = ("endpoint", "region", "addressing")


@dataclass(frozen=True, slots=True)
class FolderPlace:
    path: Path


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """`prefix` is empty or ends with a slash. `endpoint` None = Amazon's own. `addressing`: the bucket's name in path or host."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None
    addressing: str

    @property
    def shown(self) -> str:
        """For people: the bucket and who serves it."""
        return f"s3://{self.bucket}/{self.prefix}" + (f" at {urlsplit(self.endpoint).netloc}" if self.endpoint else "")


def parse(url: str) -> FolderPlace | BucketPlace:
    """Raises `Misconfigured` naming the part that does not fit; the URL itself may hold a secret and is never repeated."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise _misfit(str(error)) from None
    match parts.scheme:
        case "file":
            if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query:
                raise _misfit("a folder is written file:///absolute/path")
            return FolderPlace(Path(unquote(parts.path)))
        case "s3":
            return _bucket(parts.netloc, unquote(parts.path), options)
        case scheme:
            raise _misfit(f"it starts with {scheme + '://' if scheme else 'no scheme'}")


def _bucket(bucket: str, path: str, options: dict[str, str]) -> BucketPlace:
    if "@" in bucket:
        raise _misfit("it holds a key", hint="Set SEMANTIK_BLOBS_ACCESS_KEY and SEMANTIK_BLOBS_SECRET_KEY, or use the AWS environment.")
    if not bucket or ":" in bucket:
        raise _misfit("after s3:// comes the name of the bucket; the server goes into ?endpoint=")
    for name in options:
        if name not in _OPTIONS:
            raise _misfit(f"{name!r} is not one of its options {', '.join(_OPTIONS)}")
    endpoint = options.get("endpoint") or None
    if endpoint is not None and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        raise _misfit("its endpoint is no http or https address")
    addressing = options.get("addressing") or ("path" if endpoint else "virtual")
    if addressing not in ("path", "virtual"):
        raise _misfit(f"addressing is path or virtual, not {addressing!r}")
    steps = [step for step in path.split("/") if step]
    return BucketPlace(
        bucket=bucket,
        prefix="".join(f"{step}/" for step in steps),
        endpoint=endpoint,
        region=options.get("region") or None,
        addressing=addressing,
    )


def _misfit(why: str, *, hint: str = "Write s3://bucket/prefix?endpoint=https://host&region=name or file:///folder.") -> Misconfigured:
    return Misconfigured(f"SEMANTIK_BLOBS_URL cannot be used: {why}", hint=hint)
