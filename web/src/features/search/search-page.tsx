/** Search: a question, the passages that answer it, and why. */
import { useEffect, useRef, useState } from "react";
import { Link, useLocation, useNavigationType } from "react-router";
import { problemOf } from "@/api/problem";
import { useAllCollections } from "@/api/queries";
import type { Collection } from "@/api/types";
import { count } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { Picker } from "@/ui/field";
import { Icon } from "@/ui/icon";
import { Empty, Notice, ProblemNotice } from "@/ui/notice";
import { useTitle } from "@/ui/page";
import { SkeletonText } from "@/ui/skeleton";
import { useListKeys } from "@/ui/use-list-keys";
import { FilterChips, Filters } from "./filters";
import { HitView } from "./hit";
import { useScope } from "./scope";
import styles from "./search.module.css";
import {
  countFilters,
  MODES,
  NO_FILTERS,
  rememberedScope,
  useQuestions,
  useSearch,
  useSearchState,
} from "./use-search";

/** Below this the best hit is mostly no answer: docs/guide/search.md. */
const HARDLY = 0.1;

export function SearchPage() {
  const { state, change } = useSearchState();
  const collections = useAllCollections();
  const search = useSearch(state);
  const [filtering, setFiltering] = useState(false);
  const list = useRef<HTMLOListElement>(null);
  useListKeys(list);
  useTitle(state.q || "Search");

  // Whoever comes without a question searches where they searched last; "All collections" is remembered as well, as nothing.
  const bare = state.q === "" && state.in.length === 0;
  useEffect(() => {
    const ids = collections.data?.items.map(({ id }) => id);
    const scope = bare ? rememberedScope().filter((id) => ids?.includes(id)) : [];
    if (scope.length > 0) change({ in: scope }, { replace: true });
  });

  const filters = countFilters(state);
  const known = collections.data?.items ?? [];
  const pages = search.data?.pages ?? [];
  const hits = pages.flatMap((page) => page.hits);
  const first = pages[0];
  const asked = state.q.trim() !== "";
  const scope = useScope(state.in, known, (ids) => change({ in: ids }));
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
        {scope.picker}
        <Button look="quiet" small icon="filter" aria-expanded={filtering} onClick={() => setFiltering(!filtering)}>
          {filters > 0 ? `Filter (${filters})` : "Filter"}
        </Button>
        {first && asked && !search.isPlaceholderData && (
          <span className={styles.took}>{`${Math.round(first.took_ms)} ms`}</span>
        )}
      </div>
      {scope.boxes}
      <FilterChips state={state} change={change} />
      {filtering && <Filters state={state} change={change} />}

      {!asked ? (
        <Start
          collections={collections.data?.items}
          onAsk={(question, collection) => change({ ...NO_FILTERS, q: question, in: scopeFor(state.in, collection) })}
        />
      ) : search.isError ? (
        <div className={styles.trouble}>
          <ProblemNotice
            problem={problemOf(search.error)}
            actions={
              <Button icon="retry" small onClick={() => void search.refetch()}>
                Search again
              </Button>
            }
          />
        </div>
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
          {hits[0] && hits[0].score < HARDLY && (
            <Notice icon="warning">
              Probably nothing here answers the question: even the best passage scores only {hits[0].score.toFixed(2)}{" "}
              of 1.
            </Notice>
          )}
          {hits.length === 0 ? (
            <Empty
              action={
                filters > 0 || state.in.length > 0 ? (
                  <Button onClick={() => change({ ...NO_FILTERS, in: [] })}>Search everything without filters</Button>
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
          placeholder="Ask a question"
          autoComplete="off"
          autoCapitalize="off"
          enterKeyHint="search"
          maxLength={8000}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={(event) => {
            // Escape gives the keys back to the page; down goes to the first answer, or the first question to try.
            if (event.key === "Escape") event.currentTarget.blur();
            if (event.key === "ArrowDown") {
              const first = document.querySelector<HTMLElement>("main [data-row]");
              if (first) {
                event.preventDefault();
                first.focus();
              }
            }
          }}
        />
        <kbd className={styles.hint}>/</kbd>
        <button type="submit" className={buttonClass("primary", true)}>
          Search
        </button>
      </form>
    </search>
  );
}

/** A sample question is asked where its answer lies: in all collections, or in that one when the scope would leave it out. */
const scopeFor = (scope: readonly string[], collection: string) =>
  scope.length === 0 || scope.includes(collection) ? [...scope] : [collection];

/** Before the first question: what may be asked, or what is still to be done. */
function Start({
  collections,
  onAsk,
}: {
  collections: readonly Collection[] | undefined;
  onAsk: (question: string, collection: string) => void;
}) {
  const list = useRef<HTMLUListElement>(null);
  useListKeys(list);
  const questions = useQuestions(collections !== undefined && collections.length > 0);
  if (!collections || (collections.length > 0 && questions.isPending)) return null;
  if (collections.length === 0)
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
  const [first] = collections;
  if (first && collections.every((collection) => collection.ledger.listed === 0))
    return (
      <Empty
        action={
          <span className={styles.steps}>
            <Link to={paths.newSource(first.id)} className={buttonClass("primary")}>
              Add a folder
            </Link>
            <Link to={paths.collection(first.id)} className={buttonClass()}>
              Upload files
            </Link>
          </span>
        }
      >
        There is nothing to search yet: “{first.name}” holds no documents.
      </Empty>
    );
  const tried = questions.data?.items ?? [];
  return (
    <div className={styles.start}>
      {tried.length > 0 ? (
        <>
          <h2 className={styles.startTitle}>Questions to the sample corpus</h2>
          <ul ref={list} className={styles.tried}>
            {tried.map(({ question, language, about, collection_id }) => (
              <li key={question}>
                <button type="button" data-row="" onClick={() => onAsk(question, collection_id)}>
                  <span lang={language} dir="auto" className={styles.question}>
                    {question}
                  </span>
                  <span className={styles.about}>{about}</span>
                </button>
              </li>
            ))}
          </ul>
          <p>
            Then ask your own files: <Link to={paths.newCollection()}>create a collection</Link>, and add a folder or
            drop files on it.
          </p>
        </>
      ) : (
        <p>Ask in your own words or in any language; names and numbers are found as they are written.</p>
      )}
      <p className={styles.keysHint}>
        <kbd>?</kbd> shows the keys.
      </p>
    </div>
  );
}
