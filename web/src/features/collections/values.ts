/** What the server takes when a form says nothing; a test holds this against the contract. */
import type { Chunking } from "@/api/types";

export const DEFAULT_CHUNKING: Chunking = { strategy: "recursive", max_tokens: 240, overlap_tokens: 24 };
