/** What of a document was read from pictures of its pages, as its passages say. */
import { useQuery } from "@tanstack/react-query";
import { client } from "@/api/client";
import type { Chunk, DocumentDetail } from "@/api/types";
import { counted } from "@/lib/format";

/** So many passages are looked at: OCR reads twenty pages of a document unless the settings say otherwise. */
const LOOKED_AT = 100;

/** "all of it", "pages 3, 4 and 9"; null when OCR read nothing. `whole`: these are all passages there are. */
export function readByOcr(chunks: readonly Pick<Chunk, "page" | "position">[], whole: boolean): string | null {
  const read = chunks.filter(({ position }) => position.ocr === true);
  if (read.length === 0) return null;
  if (whole && read.length === chunks.length) return "all of it";
  const pages = [...new Set(read.flatMap(({ page }) => (page === null ? [] : [page])))].sort((a, b) => a - b);
  if (!whole || pages.length === 0) return "some of it";
  if (pages.length > 6) return counted(pages.length, "page");
  const last = pages.at(-1);
  return pages.length === 1 ? `page ${last}` : `pages ${pages.slice(0, -1).join(", ")} and ${last}`;
}

export function useOcr(document: DocumentDetail | undefined): string | null {
  const type = document?.media_type ?? "";
  const query = useQuery({
    queryKey: ["ocr", document?.id, document?.indexed_at],
    queryFn: async ({ signal }) => {
      const { data } = await client.GET("/api/v1/documents/{document_id}/chunks", {
        params: { path: { document_id: document?.id ?? "" }, query: { limit: LOOKED_AT } },
        signal,
      });
      return data ? readByOcr(data.items, data.next_cursor === null) : null;
    },
    // Only these kinds hold pages that may need it.
    enabled: document !== undefined && (type === "application/pdf" || type.startsWith("image/")),
    staleTime: 60_000,
  });
  return query.data ?? null;
}
