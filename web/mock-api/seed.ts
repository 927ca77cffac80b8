/** The worlds of the mock: full, empty, before set-up, logged out, failing, loading. */
import { type Db, minutesAgo, newId, type Row, type Scenario, structure } from "./db.ts";
import { seedClock } from "./seed-clock.ts";
import { seedJobs } from "./seed-jobs.ts";
import { CONTRACTS, HOUSE, LAB, type Story } from "./texts.ts";

const CHUNKING = { strategy: "recursive", max_tokens: 320, overlap_tokens: 40 } as const;
const PDF = "application/pdf";

type Given = Partial<Row> & Pick<Row, "collection_id" | "source_id" | "path" | "collection_name" | "source_name">;

export function documentRow(given: Given): Row {
  const name = given.path.split("/").at(-1) ?? given.path;
  return {
    id: newId(),
    parent_id: null,
    name,
    title: null,
    state: "indexed",
    code: null,
    reason: null,
    hint: null,
    warnings: [],
    media_type: PDF,
    language: "en",
    size_bytes: 84_211,
    pages: null,
    chunk_count: given.chunks?.length ?? 0,
    text_chars: [...(given.text ?? "")].length,
    tags: [],
    metadata: {},
    modified_at: minutesAgo(60 * 24 * 40),
    indexed_at: minutesAgo(190),
    created_at: minutesAgo(60 * 24 * 3),
    updated_at: minutesAgo(190),
    outline: [],
    children: 0,
    source_kind: "directory",
    waiting: false,
    text: "",
    chunks: [],
    ...given,
  };
}

type Place = Pick<Row, "collection_id" | "source_id" | "collection_name" | "source_name">;

function fromStory(story: Story, place: Place): Row {
  const { text, outline, chunks, pages } = structure(story.body);
  return documentRow({
    ...place,
    path: story.path,
    title: story.title ?? null,
    media_type: story.media_type,
    language: story.language ?? "en",
    tags: story.tags ?? [],
    metadata: story.metadata ?? {},
    size_bytes: 20_000 + story.body.length * 37,
    pages: pages > 1 ? pages : null,
    text,
    outline,
    chunks,
  });
}

const TROUBLES: Partial<Row>[] = [
  {
    path: "scans/annual-report-2019.pdf",
    state: "failed",
    code: "needs_password",
    reason: "annual-report-2019.pdf needs a password.",
    hint: "Add its password below, then retry.",
  },
  {
    path: "scans/purchase-deed.pdf",
    state: "failed",
    code: "needs_password",
    reason: "purchase-deed.pdf needs a password.",
    hint: "Add its password below, then retry.",
  },
  {
    path: "plans/floor-plan-3.dwg.zip",
    state: "failed",
    code: "damaged",
    reason: "floor-plan-3.dwg.zip is damaged: its directory ends after 14 of 52 entries.",
    hint: "Get a fresh copy of the file, then retry.",
    media_type: "application/zip",
  },
  {
    path: "scans/wall-survey.tiff",
    state: "failed",
    code: "timeout",
    reason: "wall-survey.tiff took longer than 120 seconds to read.",
    hint: "Raise SEMANTIK_EXTRACT_TIMEOUT_S, or split the file.",
    media_type: "image/tiff",
  },
  {
    path: "scans/old-letters.pdf",
    state: "partial",
    code: "needs_ocr",
    reason: "20 of 46 pages were read by text recognition; 26 lie beyond the budget.",
    hint: "Raise SEMANTIK_OCR_MAX_PAGES, then retry.",
    pages: 46,
    chunk_count: 38,
  },
  {
    path: "photos/front-door.heic",
    state: "skipped",
    code: "unsupported_type",
    reason: "Images of this kind are not read.",
    media_type: "image/heic",
  },
  {
    path: "misc/empty.txt",
    state: "skipped",
    code: "empty_file",
    reason: "empty.txt holds no bytes.",
    media_type: "text/plain",
    size_bytes: 0,
  },
];

/** A long document, for the windows of the reader. */
function novel(): string {
  const parts: string[] = [];
  for (let chapter = 1; chapter <= 40; chapter += 1) {
    const lines = [`# Chapter ${chapter}`];
    for (let i = 1; i <= 12; i += 1)
      lines.push(
        `Paragraph ${i} of chapter ${chapter}. The surveyor walked the wall from the north gate to the mill and wrote down what he saw: stone, brick, and where the two met, mortar that came away in the hand. He counted the loose stones and gave each stretch a number, so that the mason would find them again in spring.`,
      );
    parts.push(lines.join("\n\n"));
  }
  return parts.join("\f");
}

/** `archive`: documents of the large collection. */
export function seed(scenario: Scenario = "full", { archive: large = 10_000 } = {}): Db {
  const db: Db = {
    scenario,
    setupNeeded: scenario === "fresh",
    signedIn: scenario !== "fresh" && scenario !== "out",
    user: { id: newId(), email: "ada@example.org", name: "Ada Vance", role: "admin", tenant_id: newId() },
    password: "reading room 42",
    questions: [],
    collections: [],
    sources: [],
    documents: [],
    jobs: [],
    graphs: {},
    schedules: [],
    runs: {},
    queues: Object.fromEntries(
      ["io", "cpu", "gpu", "llm", "maintenance"].map((name) => [
        name,
        {
          paused_at: null,
          max_running: null,
          max_per_tenant: null,
          kinds: name === "cpu" ? [{ kind: "ingest_source", max_running: null, max_per_tenant: null }] : [],
        },
      ]),
    ),
    away: [],
    workers: [
      {
        id: "reading-room:4121:a41c09b7d2e1",
        name: "semantik-4121@reading-room",
        drain_asked_at: null,
        pool: "local",
        queues: ["io", "cpu", "gpu", "llm", "maintenance"],
        slots: 2,
        version: "0.1.0",
        state: "up",
        started_at: minutesAgo(300),
        last_seen_at: minutesAgo(0),
        running: [],
      },
    ],
    keys: [],
    models: [
      {
        name: "multilingual-e5-small",
        installed: true,
        dimensions: 384,
        max_tokens: 512,
        languages: ["ar", "de", "en", "es", "fr", "hi", "zh"],
        description: "About a hundred languages; a question in one finds passages in another.",
        default: true,
      },
      {
        name: "all-MiniLM-L6-v2",
        installed: false,
        dimensions: 384,
        max_tokens: 256,
        languages: ["en"],
        description: "English only, twice as fast.",
        default: false,
      },
    ],
    publish: () => undefined,
  };
  if (scenario === "empty" || scenario === "fresh") return db;

  const collection = (name: string, description: string, days: number) => {
    const row = {
      id: newId(),
      name,
      description,
      embedding_model: "multilingual-e5-small",
      chunking: { ...CHUNKING },
      language: "auto",
      generation: 1,
      created_at: minutesAgo(days * 1440),
      updated_at: minutesAgo(days * 90),
    };
    db.collections.push(row);
    return row;
  };
  const source = (collection_id: string, kind: string, name: string, settings: Record<string, unknown>) => {
    const row = {
      id: newId(),
      collection_id,
      kind,
      name,
      settings,
      listed: 0,
      held_deletions: null as number | null,
      synced_at: minutesAgo(190) as string | null,
      last_job_id: null as string | null,
      budget: null,
      check_every_s: kind === "upload" ? null : 300,
      checked_at: null,
      check_note: null,
      created_at: minutesAgo(60 * 72),
    };
    db.sources.push(row);
    return row;
  };

  const house = collection("House and building", "Manuals, letters and contracts of Linden Street 14.", 3);
  db.questions.push(
    ...(
      [
        ["What does error E04 mean?", "en", "a fault code, in a manual"],
        ["Wann wird der Filter gewechselt?", "de", "asked in German, answered in English"],
        ["How is the boiler serviced?", "en", "two letters and a contract"],
      ] as const
    ).map(([question, language, about]) => ({ question, language, about, collection_id: house.id })),
  );
  const folder = source(house.id, "directory", "linden-street", {
    path: "/srv/documents/linden-street",
    include: [],
    exclude: ["**/~$*", "drafts/**"],
  });
  const uploads = source(house.id, "upload", "Uploads", {});
  const inHouse = {
    collection_id: house.id,
    collection_name: house.name,
    source_id: folder.id,
    source_name: folder.name,
  };
  db.documents.push(...HOUSE.map((story) => fromStory(story, inHouse)));
  db.documents.push(
    ...TROUBLES.map((trouble) => documentRow({ ...inHouse, ...trouble, path: trouble.path ?? "?", language: null })),
  );
  const long = structure(novel());
  db.documents.push(
    documentRow({
      ...inHouse,
      path: "surveys/wall-survey-complete.pdf",
      title: "The survey of the town wall",
      ...long,
      pages: 40,
      size_bytes: 2_410_233,
    }),
  );
  const mail = documentRow({
    ...inHouse,
    source_id: uploads.id,
    source_name: uploads.name,
    path: "Offer for the roof.eml",
    title: "Offer for the roof",
    media_type: "message/rfc822",
    ...structure(
      "# Offer\nDear Mr Okafor, attached is our offer for the roof, valid until the end of March. Kind regards, Brandt & Sons",
    ),
    pages: null,
    children: 1,
  });
  db.documents.push(mail);
  db.documents.push(
    documentRow({
      ...inHouse,
      source_id: uploads.id,
      source_name: uploads.name,
      parent_id: mail.id,
      path: "Offer for the roof.eml/offer.pdf",
      ...structure(
        "# Offer 2024-118\nNew tiles, battens and underlay for 412 square metres: 61,800.00. Scaffolding: 7,950.00.",
      ),
      pages: 2,
    }),
  );

  const contracts = collection("Contracts", "Leases, insurance and service.", 9);
  const shelf = source(contracts.id, "directory", "contracts", {
    path: "/srv/documents/contracts",
    include: ["**/*.pdf"],
    exclude: [],
  });
  const inContracts = {
    collection_id: contracts.id,
    collection_name: contracts.name,
    source_id: shelf.id,
    source_name: shelf.name,
  };
  db.documents.push(...CONTRACTS.map((story) => fromStory(story, inContracts)));

  const lab = collection("Lab notebooks", "", 30);
  const notes = source(lab.id, "directory", "notebooks", { path: "/srv/documents/lab", include: [], exclude: [] });
  const inLab = { collection_id: lab.id, collection_name: lab.name, source_id: notes.id, source_name: notes.name };
  db.documents.push(...LAB.map((story) => fromStory(story, inLab)));

  const archive = collection("Archive 1998–2019", "Everything that was in the cabinets.", 60);
  const cabinet = source(archive.id, "directory", "cabinets", {
    path: "/srv/archive/cabinets",
    include: [],
    exclude: [],
  });
  cabinet.synced_at = null;
  const inArchive = {
    collection_id: archive.id,
    collection_name: archive.name,
    source_id: cabinet.id,
    source_name: cabinet.name,
  };
  const kinds = [
    PDF,
    "text/plain",
    "message/rfc822",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  ];
  for (let i = 0; i < large; i += 1) {
    const state =
      i >= 0.612 * large
        ? "pending"
        : i % 97 === 0
          ? "failed"
          : i % 41 === 0
            ? "partial"
            : i % 60 === 7
              ? "skipped"
              : "indexed";
    const year = 1998 + (i % 22);
    db.documents.push(
      documentRow({
        ...inArchive,
        path: `${year}/cabinet-${(i % 14) + 1}/folder-${String(i % 320).padStart(3, "0")}/file-${String(i).padStart(5, "0")}.${i % 4 === 0 ? "pdf" : i % 4 === 1 ? "txt" : i % 4 === 2 ? "eml" : "docx"}`,
        state,
        code:
          state === "failed"
            ? "damaged"
            : state === "partial"
              ? "pages_failed"
              : state === "skipped"
                ? "no_text"
                : null,
        reason:
          state === "failed"
            ? "The file ends in the middle of its second object."
            : state === "partial"
              ? "Page 3 of 9 could not be read."
              : state === "skipped"
                ? "There is no text inside."
                : null,
        hint: state === "failed" ? "Get a fresh copy of the file, then retry." : null,
        media_type: kinds[i % 4] ?? PDF,
        pages: i % 4 === 0 ? (i % 30) + 1 : null,
        chunk_count: state === "indexed" || state === "partial" ? (i % 17) + 1 : 0,
        size_bytes: 1200 + ((i * 7919) % 900_000),
        indexed_at: state === "pending" ? null : minutesAgo(40),
      }),
    );
  }

  seedJobs(db, house.id, folder.id, archive.id, cabinet.id);
  seedClock(db);
  db.keys.push(
    {
      id: newId(),
      name: "Backup script",
      prefix: "sk_7Qd2",
      scope: "read",
      created_at: minutesAgo(60 * 24 * 20),
      expires_at: new Date(Date.now() + 70 * 86_400_000).toISOString(),
      revoked_at: null,
      used_at: minutesAgo(35),
    },
    {
      id: newId(),
      name: "Old laptop",
      prefix: "sk_Mx91",
      scope: "write",
      created_at: minutesAgo(60 * 24 * 200),
      expires_at: null,
      revoked_at: minutesAgo(60 * 24 * 12),
      used_at: minutesAgo(60 * 24 * 14),
    },
  );
  return db;
}
