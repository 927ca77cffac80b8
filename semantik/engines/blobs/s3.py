"""Originals and texts in a bucket of any S3-compatible store: <prefix><tenant>/<first two of the hash>/<hash>.

A stream is spooled to a local file first: only then is its hash, and so its name, known. The file is uploaded under that name,
in parts when it is large, and becomes a local copy, so that the extraction that follows downloads nothing. An object therefore
appears whole or not at all; what a crash leaves is a file in the spool or an upload of parts without a name, and `clean_up`
removes both by age. What comes back is hashed again.

Retries with backoff and full jitter are botocore's ("standard" mode); a download that is cut goes on from where it stopped.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from semantik.engines.blobs.base import BlobMissing, BlobRef, BlobStore, BlobsUnavailable
from semantik.engines.blobs.copies import LocalCopies
from semantik.engines.blobs.location import BucketPlace
from semantik.engines.blobs.spool import spooled
from semantik.engines.blobs.verify import verified
from semantik.kit import logs
from semantik.kit.clock import now
from semantik.kit.concurrency import closing, end, run_cpu
from semantik.kit.errors import Misconfigured
from semantik.kit.files import PIECE_BYTES
from semantik.kit.ids import TenantId

log = logs.get(__name__)

_PART_BYTES = 8 * 1024 * 1024
# S3 takes at most 10,000 parts of an object.
_MAX_PARTS = 10_000
# Parts in memory at once, over all uploads of a process: 64 MiB.
_PARTS_AT_ONCE = 8
_CONNECTIONS = 32
_CONNECT_S, _READ_S = 5, 30
_ATTEMPTS = 4
PROBE_S = 2
_RETRY_AFTER_S = 10.0

# Wrong for good until somebody changes the settings or the bucket.
_REFUSALS = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret key is not that of the access key",
    "AccessDenied": "the access key may not do that",
    "403": "the access key may not do that",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "InvalidBucketName": "that is no name of a bucket",
}
_KEYS_HINT = "Set SEMANTIK_BLOBS_ACCESS_KEY and SEMANTIK_BLOBS_SECRET_KEY, or check the AWS environment, and SEMANTIK_BLOBS_URL."


class BlobsMisconfigured(Misconfigured):
    """The bucket cannot be used as the settings name it."""

    code = "blobs_misconfigured"


class _Cut(Exception):
    """A download ended before its bytes did."""


async def open_s3(
    place: BucketPlace,
    *,
    access_key: str | None,
    secret_key: str | None,
    copies_dir: Path,
    copies_bytes: int,
    part_bytes: int = _PART_BYTES,
    attempts: int = _ATTEMPTS,
    read_only: bool = False,
) -> S3Blobs:
    """Opens the store and tries it. Without keys the AWS environment gives them: variables, profile, web identity, instance role.

    `read_only`: it is tried by listing alone, so that a key which may only read will do.

    Raises `BlobsMisconfigured` for a missing bucket and for keys that are refused. A store that does not answer is no reason not
    to start: calls say so until it does.
    """
    if (access_key is None) != (secret_key is None):
        raise BlobsMisconfigured("of SEMANTIK_BLOBS_ACCESS_KEY and SEMANTIK_BLOBS_SECRET_KEY only one is set", hint="Set both, or neither.")
    async with AsyncExitStack() as stack:
        session = get_session()
        keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key} if access_key else {}
        client = await _client(session, stack, place, keys, attempts=attempts, timeout_s=_READ_S)
        probe = await _client(session, stack, place, keys, attempts=1, timeout_s=PROBE_S)
        copies = await run_cpu(LocalCopies, copies_dir, max_bytes=copies_bytes)
        store = S3Blobs(place, client, probe, copies, part_bytes=part_bytes, attempts=attempts)
        try:
            await (store.look() if read_only else store.check())
        except BlobsUnavailable as error:
            if error.data.get("lasting"):
                raise BlobsMisconfigured(error.detail, hint=_KEYS_HINT) from error
            log.warning("blob store does not answer at start", store=place.shown, detail=error.detail)
        store.owns(stack.pop_all())
        return store


async def _client(
    session: AioSession, stack: AsyncExitStack, place: BucketPlace, keys: Mapping[str, Any], *, attempts: int, timeout_s: int
) -> Any:
    config = AioConfig(
        connect_timeout=min(_CONNECT_S, timeout_s),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        s3={"addressing_style": place.addressing},
        # Other servers than Amazon's stumble over its newer checksums; ours are the hash in the name and Content-MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    # A server of one's own has no regions, yet the signature wants a name.
    region = place.region or ("us-east-1" if place.endpoint else None)
    try:
        opening = session.create_client("s3", endpoint_url=place.endpoint, region_name=region, config=config, **keys)
        return await stack.enter_async_context(opening)
    except (BotoCoreError, ValueError) as error:
        raise BlobsMisconfigured(f"the blob store {place.shown} cannot be used: {error}", hint=_KEYS_HINT) from error


class S3Blobs(BlobStore):
    """Made by `open_s3`. `probe` is a client of little patience, for `check`."""

    def __init__(self, place: BucketPlace, client: Any, probe: Any, copies: LocalCopies, *, part_bytes: int, attempts: int) -> None:
        self._attempts = attempts
        self._place = place
        self._client = client
        self._probe = probe
        self._copies = copies
        self._part_bytes = part_bytes
        self._parts = asyncio.Semaphore(_PARTS_AT_ONCE)
        self._stack = AsyncExitStack()

    def owns(self, stack: AsyncExitStack) -> None:
        """Takes over the clients' closing."""
        self._stack = stack

    async def put(self, tenant: TenantId, pieces: AsyncIterable[bytes], *, max_bytes: int | None = None) -> BlobRef:
        async with spooled(self._copies.incoming, pieces, max_bytes=max_bytes) as new:
            # Also when it is there already: it then counts as new, and a sweep that found it unused an instant ago leaves it alone.
            await self._upload(new.path, self._key(tenant, new.ref.hash), new.ref.size_bytes)
            await run_cpu(self._copies.keep, new.path, tenant, new.ref.hash)
            await run_cpu(self._copies.shrink)
            return new.ref

    async def read(self, tenant: TenantId, blob_hash: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        pieces = self._download(tenant, blob_hash, start, end)
        whole = start == 0 and end is None
        async with closing(verified(pieces, blob_hash) if whole else pieces) as given:
            async for piece in given:
                yield piece

    @asynccontextmanager
    async def local(self, tenant: TenantId, blob_hash: str) -> AsyncIterator[Path]:
        with self._copies.lent(tenant, blob_hash) as path:
            if path is not None:
                yield path
                return
        async with spooled(self._copies.incoming, self.read(tenant, blob_hash), max_bytes=None) as new:
            with self._copies.lent_new(new.path, tenant, blob_hash) as path:
                await run_cpu(self._copies.shrink)
                yield path

    async def exists(self, tenant: TenantId, blob_hash: str) -> bool:
        return await self._head(tenant, blob_hash) is not None

    async def size(self, tenant: TenantId, blob_hash: str) -> int | None:
        found = await self._head(tenant, blob_hash)
        return None if found is None else int(found["ContentLength"])

    async def delete(self, tenant: TenantId, blob_hash: str, *, older_than_s: float) -> None:
        # Not in one step, as a bucket cannot: an equal upload between these two requests is lost, and its document says so.
        if older_than_s:
            found = await self._head(tenant, blob_hash)
            if found is None or _age_s(found["LastModified"]) < older_than_s:
                return
        async with self._asking():
            await self._client.delete_object(Bucket=self._place.bucket, Key=self._key(tenant, blob_hash))
        self._copies.drop(tenant, blob_hash)

    async def hashes(self, tenant: TenantId, *, older_than_s: float = 0) -> AsyncIterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._place.bucket, Prefix=self._key(tenant, ""))
        async with self._asking():
            async for page in pages:
                for one in page.get("Contents", ()):
                    if _age_s(one["LastModified"]) >= older_than_s:
                        yield one["Key"].rpartition("/")[2]

    async def clean_up(self, *, older_than_s: float) -> int:
        removed = await run_cpu(self._copies.remove_strays, older_than_s=older_than_s)
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._place.bucket, Prefix=self._place.prefix)
        async with self._asking():
            async for page in pages:
                for upload in page.get("Uploads", ()):
                    if _age_s(upload["Initiated"]) >= older_than_s:
                        await self._abort(upload["Key"], upload["UploadId"])
                        removed += 1
        return removed

    async def check(self) -> Mapping[str, Any]:
        """Looks, then writes an object of no bytes, always the same one."""
        await self.look()
        async with self._asking():
            await self._probe.put_object(Bucket=self._place.bucket, Key=self._probed, Body=b"")
        return {"backend": "s3", "store": self._place.shown}

    async def look(self) -> None:
        """Lists, which tells a missing bucket from a refused key."""
        async with self._asking():
            await self._probe.list_objects_v2(Bucket=self._place.bucket, Prefix=self._probed, MaxKeys=1)

    async def close(self) -> None:
        await self._stack.aclose()

    def _key(self, tenant: TenantId, blob_hash: str) -> str:
        # Both come from our own rows; the assertion keeps a mistake elsewhere from reaching another tenant's prefix.
        assert tenant.replace("-", "").isalnum() and (not blob_hash or blob_hash.isalnum()), "blob names are plain ids and hex"
        return f"{self._place.prefix}{tenant}/" + (f"{blob_hash[:2]}/{blob_hash}" if blob_hash else "")

    @property
    def _probed(self) -> str:
        return f"{self._place.prefix}probe"

    async def _head(self, tenant: TenantId, blob_hash: str) -> Mapping[str, Any] | None:
        try:
            async with self._asking(blob_hash):
                found: Mapping[str, Any] = await self._client.head_object(Bucket=self._place.bucket, Key=self._key(tenant, blob_hash))
        except BlobMissing:
            return None
        return found

    async def _upload(self, path: Path, key: str, size: int) -> None:
        async with self._asking():
            if size <= self._part_bytes:
                async with self._parts:
                    body = await run_cpu(path.read_bytes)
                    await self._client.put_object(Bucket=self._place.bucket, Key=key, Body=body, ContentMD5=await run_cpu(_md5, body))
            else:
                await self._upload_parts(path, key, size)

    async def _upload_parts(self, path: Path, key: str, size: int) -> None:
        upload = await self._begin_upload(key)
        part_bytes = max(self._part_bytes, -(-size // _MAX_PARTS))
        try:
            async with asyncio.TaskGroup() as group:
                sent = [
                    group.create_task(self._upload_part(path, key, upload, number, offset, part_bytes))
                    for number, offset in enumerate(range(0, size, part_bytes), 1)
                ]
            parts = [{"PartNumber": number, "ETag": task.result()} for number, task in enumerate(sent, 1)]
            await self._client.complete_multipart_upload(
                Bucket=self._place.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except BaseException as error:
            # Shielded: a cancelled request must not leave its parts behind either. If this fails too, `clean_up` finds them.
            await asyncio.shield(self._abort(key, upload))
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None
            raise

    async def _begin_upload(self, key: str) -> str:
        beginning = asyncio.create_task(self._client.create_multipart_upload(Bucket=self._place.bucket, Key=key))
        try:
            return str((await asyncio.shield(beginning))["UploadId"])
        except asyncio.CancelledError:
            await asyncio.shield(self._unbegin(key, beginning))
            raise

    async def _unbegin(self, key: str, beginning: asyncio.Task[Any]) -> None:
        """Removes what the store may have begun; its answer alone tells the name. One that comes too late is for `clean_up`."""
        await asyncio.wait({beginning}, timeout=PROBE_S)
        if beginning.done() and not beginning.cancelled() and beginning.exception() is None:
            await self._abort(key, beginning.result()["UploadId"])
        await end(beginning)

    async def _upload_part(self, path: Path, key: str, upload: str, number: int, offset: int, part_bytes: int) -> str:
        async with self._parts:
            body = await run_cpu(_slice, path, offset, part_bytes)
            answer = await self._client.upload_part(
                Bucket=self._place.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body, ContentMD5=await run_cpu(_md5, body)
            )
        return str(answer["ETag"])

    async def _abort(self, key: str, upload: str) -> None:
        try:
            await self._client.abort_multipart_upload(Bucket=self._place.bucket, Key=key, UploadId=upload)
        except (ClientError, BotoCoreError, aiohttp.ClientError, OSError) as error:
            log.warning("an interrupted upload could not be removed; the daily clean-up will", error=type(error).__name__)

    async def _download(self, tenant: TenantId, blob_hash: str, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        at, failures = start, 0
        while end is None or at < end:
            try:
                async with closing(self._span(tenant, blob_hash, at, end)) as pieces:
                    async for piece in pieces:
                        at += len(piece)
                        failures = 0
                        yield piece
                return
            except _Cut as cut:
                failures += 1
                if failures >= self._attempts:
                    raise self._unavailable(f"it keeps breaking off: {cut}") from cut
                await asyncio.sleep(random.uniform(0, 0.5 * 2**failures))  # noqa: S311 - jitter, no secret

    async def _span(self, tenant: TenantId, blob_hash: str, at: int, end: int | None) -> AsyncGenerator[bytes, None]:
        # A range of an empty object is an error, so the whole is asked for without one.
        span = {} if at == 0 and end is None else {"Range": f"bytes={at}-{'' if end is None else end - 1}"}
        try:
            async with self._asking(blob_hash):
                answer = await self._client.get_object(Bucket=self._place.bucket, Key=self._key(tenant, blob_hash), **span)
        except _PastTheEnd:
            return
        async with answer["Body"] as body:
            while True:
                try:
                    piece = await body.read(PIECE_BYTES)
                except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
                    raise _Cut(type(error).__name__) from error
                if not piece:
                    return
                yield piece

    @asynccontextmanager
    async def _asking(self, blob_hash: str = "") -> AsyncIterator[None]:
        """Says in our words what a call met."""
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if blob_hash and code in ("NoSuchKey", "404", "NotFound"):
                raise BlobMissing(f"the stored file {blob_hash[:12]} is missing") from error
            if code == "InvalidRange":
                raise _PastTheEnd from error
            refusal = _REFUSALS.get("NoSuchBucket" if code == "404" else code)
            raise self._unavailable(refusal or f"it answered {status} ({code})", lasting=refusal is not None) from error
        except NoCredentialsError as error:
            raise self._unavailable("no access key is set", lasting=True) from error
        except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unavailable(f"it does not answer ({type(error).__name__})") from error

    def _unavailable(self, why: str, *, lasting: bool = False) -> BlobsUnavailable:
        hint = _KEYS_HINT if lasting else None
        return BlobsUnavailable(f"the blob store {self._place.shown}: {why}", hint=hint, retry_after_s=_RETRY_AFTER_S, lasting=lasting)


class _PastTheEnd(Exception):
    """The range begins behind the last byte."""


def _age_s(stored_at: datetime) -> float:
    return (now() - stored_at).total_seconds()


def _md5(body: bytes) -> str:
    """As the header wants it: against damage on the way, not against an attacker."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _slice(path: Path, offset: int, count: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(count)
