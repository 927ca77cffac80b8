/** A passage with its matched parts marked. Offsets are code points, as the API counts them. */
import { stretches } from "@/lib/reading";
import type { Span } from "@/lib/spans";

export function Highlighted({
  text,
  spans,
  mediaType,
}: {
  text: string;
  spans: readonly Span[];
  mediaType: string | null;
}) {
  return (
    <>
      {stretches(text, mediaType, spans).map((piece) =>
        piece.marked ? <mark key={piece.start}>{piece.text}</mark> : <span key={piece.start}>{piece.text}</span>,
      )}
    </>
  );
}
