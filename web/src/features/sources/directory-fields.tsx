/** The fields of a folder source, for adding and for changing. */
import type { Problem } from "@/api/problem";
import { TextArea, TextField } from "@/ui/field";

export type DirectoryDraft = { name: string; path: string; include: string; exclude: string };

export function DirectoryFields({
  draft,
  set,
  problem,
  pathError,
}: {
  draft: DirectoryDraft;
  set: (field: keyof DirectoryDraft, value: string) => void;
  problem: Problem | null;
  pathError: string | null;
}) {
  const field = (name: string) => problem?.fields[`settings.${name}`] ?? problem?.fields[name] ?? null;
  return (
    <>
      <TextField
        label="Folder"
        mono
        help="A path on the server. It is read with everything below it, and never written."
        placeholder="/srv/documents/contracts"
        autoComplete="off"
        spellCheck={false}
        value={draft.path}
        error={pathError ?? field("path")}
        onChange={(e) => set("path", e.target.value)}
      />
      <TextArea
        label="Only these files"
        optional
        mono
        rows={2}
        help="One pattern a line, such as **/*.pdf. Empty: all files."
        spellCheck={false}
        value={draft.include}
        error={field("include")}
        onChange={(e) => set("include", e.target.value)}
      />
      <TextArea
        label="Leave out"
        optional
        mono
        rows={2}
        help="One pattern a line, such as drafts/**."
        spellCheck={false}
        value={draft.exclude}
        error={field("exclude")}
        onChange={(e) => set("exclude", e.target.value)}
      />
      <TextField
        label="Name"
        optional
        help="Empty: the name of the folder."
        autoComplete="off"
        value={draft.name}
        error={field("name")}
        onChange={(e) => set("name", e.target.value)}
      />
    </>
  );
}
