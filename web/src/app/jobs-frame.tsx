/** Jobs and what stands behind them: one heading, tabs with addresses of their own. */
import { NavLink, Outlet } from "react-router";
import { LiveWord } from "@/features/activity/live-word";
import { DeadCount } from "@/features/dead-letters/dead-count";
import { PartsAway } from "@/features/system/parts-away";
import { paths } from "@/lib/paths";
import { Page } from "@/ui/page";
import { Tabs, tabClass, tabCountClass } from "@/ui/tabs";

export function JobsFrame() {
  return (
    <Page title="Jobs" lead={<LiveWord />}>
      <Tabs label="Jobs">
        <NavLink end to={paths.jobs()} className={tabClass}>
          All jobs
        </NavLink>
        <NavLink to={paths.deadLetters()} className={tabClass}>
          Dead letters
          <DeadCount className={tabCountClass} />
        </NavLink>
        <NavLink to={paths.schedules()} className={tabClass}>
          Schedules
        </NavLink>
        <NavLink to={paths.queues()} className={tabClass}>
          Queues
        </NavLink>
        <NavLink to={paths.workers()} className={tabClass}>
          Workers
        </NavLink>
      </Tabs>
      <PartsAway />
      <Outlet />
    </Page>
  );
}
