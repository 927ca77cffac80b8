/** Text with its matched parts marked. Offsets are code points, as the API counts them. */
import { pieces, type Span } from "@/lib/spans";

export function Highlighted({ text, spans, origin = 0 }: { text: string; spans: readonly Span[]; origin?: number }) {
  return (
    <>
      {pieces(text, spans, origin).map((piece) =>
        piece.marked ? <mark key={piece.start}>{piece.text}</mark> : <span key={piece.start}>{piece.text}</span>,
      )}
    </>
  );
}
