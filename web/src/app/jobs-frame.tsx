/** Jobs and what stands behind them: one heading, tabs with addresses of their own. */
import { NavLink, Outlet } from "react-router";
import { LiveWord } from "@/features/activity/live-word";
import { DeadCount } from "@/features/dead-letters/dead-count";
import { paths } from "@/lib/paths";
import { Page } from "@/ui/page";
import tabs from "@/ui/tabs.module.css";

export function JobsFrame() {
  return (
    <Page title="Jobs" lead={<LiveWord />}>
      <nav className={tabs.tabs} aria-label="Jobs">
        <NavLink end to={paths.jobs()} className={tabs.tab}>
          All jobs
        </NavLink>
        <NavLink to={paths.deadLetters()} className={tabs.tab}>
          Dead letters
          <DeadCount className={tabs.count} />
        </NavLink>
        <NavLink to={paths.schedules()} className={tabs.tab}>
          Schedules
        </NavLink>
        <NavLink to={paths.queues()} className={tabs.tab}>
          Queues
        </NavLink>
        <NavLink to={paths.workers()} className={tabs.tab}>
          Workers
        </NavLink>
      </nav>
      <Outlet />
    </Page>
  );
}
