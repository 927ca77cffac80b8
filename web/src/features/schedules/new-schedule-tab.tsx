/** Making a schedule. */
import { useNavigate } from "react-router";
import { problemOf } from "@/api/problem";
import { paths } from "@/lib/paths";
import { Section } from "@/ui/page";
import { tell } from "@/ui/toast";
import { useDraft } from "@/ui/use-draft";
import { EMPTY, ScheduleForm } from "./schedule-form";
import { useCreateSchedule } from "./use-schedules";

export function NewScheduleTab() {
  const { draft, set, clear } = useDraft("schedule", EMPTY);
  const create = useCreateSchedule();
  const navigate = useNavigate();
  return (
    <Section title="New schedule">
      <ScheduleForm
        draft={draft}
        set={set}
        problem={create.error ? problemOf(create.error) : null}
        busy={create.isPending}
        action="Create schedule"
        onSubmit={(times, params) =>
          create.mutate(
            {
              name: draft.name.trim(),
              kind: draft.kind,
              params,
              ...times,
              overlap: draft.overlap,
              catchup_s: 3600,
              jitter_s: 0,
            },
            {
              onSuccess: (made) => {
                clear();
                tell(`“${made.name}” is on the clock.`);
                navigate(paths.schedule(made.id));
              },
            },
          )
        }
      />
    </Section>
  );
}
