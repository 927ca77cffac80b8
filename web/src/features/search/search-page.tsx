/** Search: a question, the passages that answer it, and why. */
import { useEffect, useRef, useState } from "react";
import { Link, useLocation, useNavigationType } from "react-router";
import { problemOf } from "@/api/problem";
import { useAllCollections } from "@/api/queries";
import { count } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { Picker } from "@/ui/field";
import { Icon } from "@/ui/icon";
import { Empty, Notice, ProblemNotice } from "@/ui/notice";
import { useTitle } from "@/ui/page";
import { SkeletonText } from "@/ui/skeleton";
import { useListKeys } from "@/ui/use-list-keys";
import { Filters } from "./filters";
import { HitView } from "./hit";
import styles from "./search.module.css";
import { countFilters, MODES, useSearch, useSearchState } from "./use-search";

export function SearchPage() {
  const { state, change } = useSearchState();
  const collections = useAllCollections();
  const search = useSearch(state);
  const [filtering, setFiltering] = useState(false);
  const list = useRef<HTMLOListElement>(null);
  useListKeys(list);
  useTitle(state.q || "Search");

  const filters = countFilters(state);
  const known = collections.data?.items ?? [];
  const pages = search.data?.pages ?? [];
  const hits = pages.flatMap((page) => page.hits);
  const first = pages[0];
  const asked = state.q.trim() !== "";
  const several = state.in.length !== 1 && known.length > 1;

  return (
    <div className={styles.page}>
      <h1 className="hidden">Search</h1>
      <SearchBox q={state.q} onSubmit={(q) => change({ q })} />
      <div className={styles.bar}>
        <Picker label="Rank by" value={state.mode} onChange={(e) => change({ mode: e.target.value as "hybrid" })}>
          {MODES.map(({ value, word }) => (
            <option key={value} value={value}>
              {word}
            </option>
          ))}
        </Picker>
        <Picker
          label="Search in"
          value={state.in.length > 1 ? "several" : (state.in[0] ?? "")}
          onChange={(e) => change({ in: e.target.value ? [e.target.value] : [] })}
        >
          <option value="">All collections</option>
          {state.in.length > 1 && <option value="several">{state.in.length} collections</option>}
          {known.map((collection) => (
            <option key={collection.id} value={collection.id}>
              {collection.name}
            </option>
          ))}
        </Picker>
        <Button
          look="quiet"
          small
          icon="filter"
          aria-expanded={filtering || filters > 0}
          onClick={() => setFiltering(!filtering)}
        >
          {filters > 0 ? `Filter (${filters})` : "Filter"}
        </Button>
        {first && asked && !search.isPlaceholderData && (
          <span className={styles.took}>{`${Math.round(first.took_ms)} ms`}</span>
        )}
      </div>
      {(filtering || filters > 0) && <Filters state={state} collections={known} change={change} />}

      {!asked ? (
        <Start known={collections.data ? known.length : null} />
      ) : search.isError ? (
        <ProblemNotice
          problem={problemOf(search.error)}
          actions={
            <Button icon="retry" small onClick={() => void search.refetch()}>
              Search again
            </Button>
          }
        />
      ) : search.isPending ? (
        <div className={styles.waiting}>
          <SkeletonText lines={4} />
          <SkeletonText lines={4} />
          <SkeletonText lines={4} />
        </div>
      ) : (
        <section aria-label="Results" aria-busy={search.isPlaceholderData} className={styles.results}>
          {first?.notes.map((note) => (
            <Notice key={note} icon="warning">
              {note}
            </Notice>
          ))}
          {hits.length === 0 ? (
            <Empty
              action={
                filters > 0 || state.in.length > 0 ? (
                  <Button onClick={() => change({ in: [], media: "", language: "", tag: "", after: "", before: "" })}>
                    Search everything without filters
                  </Button>
                ) : (
                  <Link to={paths.collections()} className={buttonClass()}>
                    See what is indexed
                  </Link>
                )
              }
            >
              No passage matches “{state.q}”
              {filters > 0 ? " within these filters" : state.in.length > 0 ? " in this collection" : ""}.
            </Empty>
          ) : (
            <ol ref={list} className={styles.hits}>
              {hits.map((hit) => (
                <HitView key={hit.chunk_id} hit={hit} state={state} several={several} />
              ))}
            </ol>
          )}
          {search.hasNextPage && (
            <div className={styles.more}>
              <Button busy={search.isFetchingNextPage} onClick={() => void search.fetchNextPage()}>
                Show more
              </Button>
              <span>{count(hits.length)} shown</span>
            </div>
          )}
        </section>
      )}
    </div>
  );
}

function SearchBox({ q, onSubmit }: { q: string; onSubmit: (q: string) => void }) {
  const [typed, setTyped] = useState(q);
  const box = useRef<HTMLInputElement>(null);
  const { state } = useLocation() as { state: { focus?: boolean } | null };
  const how = useNavigationType();
  useEffect(() => setTyped(q), [q]);
  useEffect(() => {
    // Someone who opens the page wants to type; someone who comes back wants to read on.
    if (state?.focus || (!q && how !== "POP")) box.current?.focus();
  }, [state, q, how]);
  return (
    <search>
      <form
        className={styles.box}
        onSubmit={(event) => {
          event.preventDefault();
          if (typed.trim()) onSubmit(typed.trim());
        }}
      >
        <Icon name="search" size={18} />
        <input
          ref={box}
          data-search-box=""
          type="search"
          name="q"
          aria-label="Search your documents"
          placeholder="Ask a question or type some words"
          autoComplete="off"
          autoCapitalize="off"
          enterKeyHint="search"
          maxLength={8000}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        <kbd className={styles.hint}>/</kbd>
        <button type="submit" className={buttonClass("primary", true)}>
          Search
        </button>
      </form>
    </search>
  );
}

function Start({ known }: { known: number | null }) {
  if (known === null) return null;
  if (known === 0)
    return (
      <Empty
        action={
          <Link to={paths.newCollection()} className={buttonClass("primary")}>
            Create a collection
          </Link>
        }
      >
        There is nothing to search yet. A collection holds documents that are searched together.
      </Empty>
    );
  return (
    <div className={styles.start}>
      <p>Ask in your own words or in any language; names and numbers are found as they are written.</p>
      <p>
        <kbd>?</kbd> shows the keys.
      </p>
    </div>
  );
}
