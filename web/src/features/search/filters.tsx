/** What narrows a search: kind, language, tag, dates. */
import { type FormEvent, useEffect, useState } from "react";
import { day } from "@/lib/format";
import { SelectField, TextField } from "@/ui/field";
import { Icon } from "@/ui/icon";
import styles from "./search.module.css";
import { NO_FILTERS, type SearchState } from "./use-search";

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

export function Filters({ state, change }: { state: SearchState; change: (next: Partial<SearchState>) => void }) {
  const [tag, setTag] = useState(state.tag);
  useEffect(() => setTag(state.tag), [state.tag]);
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
      <form onSubmit={commitTag} className={styles.tag}>
        <TextField label="Tag" value={tag} onChange={(e) => setTag(e.target.value)} onBlur={commitTag} />
      </form>
      <div className={styles.dates}>
        <TextField
          label="Modified after"
          type="date"
          value={state.after}
          max={state.before || undefined}
          onChange={(e) => change({ after: e.target.value })}
        />
        <TextField
          label="Modified before"
          type="date"
          value={state.before}
          min={state.after || undefined}
          onChange={(e) => change({ before: e.target.value })}
        />
      </div>
    </section>
  );
}

/** What narrows the search now, each with its way out. */
export function FilterChips({ state, change }: { state: SearchState; change: (next: Partial<SearchState>) => void }) {
  const named = (list: [string, string][], value: string) => list.find(([one]) => one === value)?.[1] ?? value;
  const chips: [keyof SearchState, string][] = [];
  if (state.media) chips.push(["media", named(KINDS, state.media)]);
  if (state.language) chips.push(["language", named(LANGUAGES, state.language)]);
  if (state.tag) chips.push(["tag", `tag ${state.tag}`]);
  if (state.after) chips.push(["after", `after ${day(state.after)}`]);
  if (state.before) chips.push(["before", `before ${day(state.before)}`]);
  if (chips.length === 0) return null;
  return (
    <ul className={styles.chips} aria-label="Filters in use">
      {chips.map(([field, words]) => (
        <li key={field}>
          <button
            type="button"
            className={styles.chip}
            aria-label={`Remove the filter ${words}`}
            onClick={() => change({ [field]: "" })}
          >
            {words}
            <Icon name="cross" size={12} />
          </button>
        </li>
      ))}
      {chips.length > 1 && (
        <li>
          <button type="button" className={styles.quiet} onClick={() => change(NO_FILTERS)}>
            Clear all
          </button>
        </li>
      )}
    </ul>
  );
}
