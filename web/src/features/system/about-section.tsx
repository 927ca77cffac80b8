/** What runs here: version, mode, models. */
import { problemOf } from "@/api/problem";
import { useModels, useVersion } from "@/api/queries";
import { count } from "@/lib/format";
import { ProblemNotice } from "@/ui/notice";
import { Fact, Facts, Section } from "@/ui/page";
import { SkeletonText } from "@/ui/skeleton";
import { Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Agreement } from "./agreement";

const MODES: Record<string, string> = {
  embedded: "Embedded: one process, everything in the data folder",
  server: "Server: PostgreSQL, Redis and Qdrant",
};

export function AboutSection() {
  const version = useVersion();
  const models = useModels();
  return (
    <>
      {version.isError && <ProblemNotice problem={problemOf(version.error)} />}
      {version.isPending && <SkeletonText lines={3} />}
      {version.data && (
        <Facts>
          <Fact name="Version">{version.data.version}</Fact>
          {version.data.commit && (
            <Fact name="Commit">
              <code>{version.data.commit.slice(0, 12)}</code>
            </Fact>
          )}
          <Fact name="Mode">{MODES[version.data.mode] ?? version.data.mode}</Fact>
          <Fact name="API">
            <a href="/docs">Reference and try-out</a>
          </Fact>
        </Facts>
      )}
      <Section title="Models">
        {models.isError && <ProblemNotice problem={problemOf(models.error)} />}
        {models.isPending && <SkeletonText lines={2} />}
        {models.data && (
          <table className={table.table}>
            <thead>
              <tr>
                <th>Name</th>
                <th>State</th>
                <th className={table.number}>Dimensions</th>
                <th className={table.number}>Longest text</th>
              </tr>
            </thead>
            <tbody>
              {models.data.items.map((model) => (
                <tr key={model.name}>
                  <td className={table.main}>
                    <code>{model.name}</code>
                    {model.default && " (default)"}
                    <span className={table.under}>{model.description}</span>
                  </td>
                  <td>
                    {model.installed ? (
                      <Status tone="ok" icon="check">
                        Installed
                      </Status>
                    ) : (
                      <Status tone="idle" icon="minus">
                        Not installed
                      </Status>
                    )}
                  </td>
                  <td className={table.number} data-word="dimensions">
                    {count(model.dimensions)}
                  </td>
                  <td className={table.number}>{model.max_tokens ? `${count(model.max_tokens)} tokens` : "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Section>
      <Agreement />
    </>
  );
}
