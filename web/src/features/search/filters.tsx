/** What narrows a search: kind, language, tag, dates, several collections at once. */
import { type FormEvent, useState } from "react";
import type { Collection } from "@/api/types";
import { CheckField, SelectField, TextField } from "@/ui/field";
import styles from "./search.module.css";
import type { SearchState } from "./use-search";

const KINDS: [string, string][] = [
  ["application/pdf", "PDF"],
  [
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document,application/msword,application/vnd.oasis.opendocument.text",
    "Word and text documents",
  ],
  [
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet,application/vnd.ms-excel,text/csv,application/vnd.oasis.opendocument.spreadsheet",
    "Tables",
  ],
  [
    "application/vnd.openxmlformats-officedocument.presentationml.presentation,application/vnd.ms-powerpoint,application/vnd.oasis.opendocument.presentation",
    "Slides",
  ],
  ["message/rfc822", "Mail"],
  ["text/html", "Web pages"],
  ["text/markdown,text/plain", "Plain text and Markdown"],
  ["application/epub+zip", "Books (EPUB)"],
];
const LANGUAGES: [string, string][] = [
  ["ar", "Arabic"],
  ["zh", "Chinese"],
  ["nl", "Dutch"],
  ["en", "English"],
  ["fr", "French"],
  ["de", "German"],
  ["hi", "Hindi"],
  ["it", "Italian"],
  ["ja", "Japanese"],
  ["pl", "Polish"],
  ["pt", "Portuguese"],
  ["ru", "Russian"],
  ["es", "Spanish"],
  ["tr", "Turkish"],
];

export function Filters({
  state,
  collections,
  change,
}: {
  state: SearchState;
  collections: readonly Collection[];
  change: (next: Partial<SearchState>) => void;
}) {
  const [tag, setTag] = useState(state.tag);
  const commitTag = (event: FormEvent) => {
    event.preventDefault();
    change({ tag: tag.trim() });
  };
  return (
    <section className={styles.filters} aria-label="Filters">
      <SelectField label="Kind" value={state.media} onChange={(e) => change({ media: e.target.value })}>
        <option value="">Any kind</option>
        {KINDS.map(([value, word]) => (
          <option key={word} value={value}>
            {word}
          </option>
        ))}
      </SelectField>
      <SelectField label="Language" value={state.language} onChange={(e) => change({ language: e.target.value })}>
        <option value="">Any language</option>
        {LANGUAGES.map(([value, word]) => (
          <option key={value} value={value}>
            {word}
          </option>
        ))}
      </SelectField>
      <form onSubmit={commitTag}>
        <TextField label="Tag" value={tag} onChange={(e) => setTag(e.target.value)} onBlur={commitTag} />
      </form>
      <TextField
        label="Changed after"
        type="date"
        value={state.after}
        max={state.before || undefined}
        onChange={(e) => change({ after: e.target.value })}
      />
      <TextField
        label="Changed before"
        type="date"
        value={state.before}
        min={state.after || undefined}
        onChange={(e) => change({ before: e.target.value })}
      />
      {collections.length > 2 && (
        <fieldset className={styles.within}>
          <legend>Collections</legend>
          {collections.map((collection) => (
            <CheckField
              key={collection.id}
              label={collection.name}
              checked={state.in.includes(collection.id)}
              onChange={(e) =>
                change({
                  in: e.target.checked
                    ? [...state.in, collection.id]
                    : state.in.filter((other) => other !== collection.id),
                })
              }
            />
          ))}
        </fieldset>
      )}
    </section>
  );
}
