/** The files of a drop, folders opened. Browsers give folders only through the older entry API. */

export type Picked = { file: File; path: string };

const HIDDEN = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

export function fromInput(files: FileList | readonly File[]): Picked[] {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

export async function fromDrop(transfer: DataTransfer): Promise<Picked[]> {
  // Entries must be taken before the first await: the transfer is emptied when the event handler returns.
  const entries = [...transfer.items].flatMap((item) =>
    item.kind === "file" ? [item.webkitGetAsEntry?.() ?? item.getAsFile()] : [],
  );
  if (entries.length === 0) return fromInput(transfer.files);
  const found: Picked[] = [];
  for (const entry of entries) {
    if (!entry) continue;
    if (entry instanceof File) found.push({ file: entry, path: entry.name });
    else await walk(entry, found);
  }
  return found.filter(({ file }) => !HIDDEN.has(file.name));
}

async function walk(entry: FileSystemEntry, found: Picked[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.push({ file, path: entry.fullPath.replace(/^\//, "") || file.name });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // A reader hands out its entries in pages of about a hundred, an empty one at the end.
  for (;;) {
    const page = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (page.length === 0) return;
    for (const child of page) await walk(child, found);
  }
}

/** True while files, not text, are dragged over the page. */
export function carriesFiles(event: { dataTransfer: DataTransfer | null }): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
