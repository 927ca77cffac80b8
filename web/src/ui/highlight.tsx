/** A passage with its matched parts marked. Offsets are code points, as the API counts them. */
import { flowed } from "@/lib/flow";
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
      {stretches(flowed(text, mediaType), mediaType, spans).map((piece) =>
        piece.marked ? <mark key={piece.start}>{piece.text}</mark> : <span key={piece.start}>{piece.text}</span>,
      )}
    </>
  );
}
