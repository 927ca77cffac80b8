/** The nouns of the API under short names. When the contract renames a schema, this file is the only one to change. */
import type { components } from "./generated/schema";

type S = components["schemas"];

export type User = S["User"];
export type Session = S["Session"];
export type ApiKey = S["ApiKey"];
export type Scope = S["Scope"];
export type Chunking = S["Chunking"];
export type Ledger = S["Ledger"];
export type Collection = S["Collection"];
export type Model = S["Model"];
export type ChunkPreview = S["PreviewChunk"];
export type Source = S["Source"];
export type Plan = S["SyncPlan"];
export type UploadedFile = S["UploadedFile"];
export type Uploaded = S["Uploaded"];
export type Document = S["Document"];
export type DocumentDetail = S["DocumentDetail"];
export type OutlineEntry = S["OutlineEntry"];
export type Chunk = S["Chunk"];
export type SearchRequest = S["SearchRequest"];
export type SearchAnswer = S["SearchAnswer"];
export type Hit = S["SearchHit"];
export type HitSpan = S["Span"];
export type Job = S["Job"];
export type JobDetail = S["JobDetail"];
export type JobItem = S["JobItem"];
export type JobAttempt = S["Attempt"];
export type JobEvent = S["JobEvent"];
export type BulkVerb = S["Bulk"]["verb"];
