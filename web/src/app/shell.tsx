/** The frame: rail (a bar at the foot on narrow screens), the line of running jobs at the top, the keys. */
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { Link, NavLink, Outlet, ScrollRestoration } from "react-router";
import { connectLive } from "@/api/live";
import { useSession } from "@/api/session";
import { RunningLine } from "@/features/activity/running-line";
import { paths } from "@/lib/paths";
import { Icon, type IconName } from "@/ui/icon";
import { Toasts } from "@/ui/toast";
import { Keys } from "./keys";
import styles from "./shell.module.css";

export function Shell() {
  const cache = useQueryClient();
  const session = useSession();
  const user = session.status === "in" ? session.user.id : null;
  useEffect(() => {
    if (user) return connectLive(cache);
  }, [cache, user]);
  return (
    <ShellFrame line={<RunningLine />}>
      <Outlet />
      <Keys />
      <ScrollRestoration />
      <Toasts
        link={(href, text, onClick) => (
          <Link to={href} onClick={onClick}>
            {text}
          </Link>
        )}
      />
    </ShellFrame>
  );
}

export function ShellFrame({ children, line }: { children: ReactNode; line?: ReactNode }) {
  return (
    <div className={styles.shell}>
      <a href="#content" className={styles.skip}>
        Skip to content
      </a>
      {line}
      <nav className={styles.rail} aria-label="Main">
        <Link to={paths.home()} className={styles.brand}>
          <img src="/favicon.svg" alt="" width={20} height={20} />
          Semantik
        </Link>
        <RailLink to={paths.search()} icon="search">
          Search
        </RailLink>
        <RailLink to={paths.collections()} icon="collections">
          Collections
        </RailLink>
        <RailLink to={paths.jobs()} icon="jobs">
          Jobs
        </RailLink>
        <span className={styles.space} />
        <RailLink to={paths.settings()} icon="settings">
          Settings
        </RailLink>
      </nav>
      <main id="content" className={styles.content} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function RailLink({ to, icon, children }: { to: string; icon: IconName; children: string }) {
  return (
    <NavLink to={to} className={styles.link}>
      <Icon name={icon} />
      <span>{children}</span>
    </NavLink>
  );
}
