/** Settings: one heading, its parts as tabs with addresses of their own. */
import { NavLink, Outlet } from "react-router";
import { paths } from "@/lib/paths";
import { Page } from "@/ui/page";
import tabs from "@/ui/tabs.module.css";

export function SettingsFrame() {
  return (
    <Page title="Settings">
      <nav className={tabs.tabs} aria-label="Settings">
        <NavLink end to={paths.settings()} className={tabs.tab}>
          Profile
        </NavLink>
        <NavLink to={paths.settingsKeys()} className={tabs.tab}>
          API keys
        </NavLink>
        <NavLink to={paths.settingsAbout()} className={tabs.tab}>
          About
        </NavLink>
      </nav>
      <Outlet />
    </Page>
  );
}
