/** Settings: one heading, its parts as tabs with addresses of their own. */
import { NavLink, Outlet } from "react-router";
import { paths } from "@/lib/paths";
import { Page } from "@/ui/page";
import { Tabs, tabClass } from "@/ui/tabs";

export function SettingsFrame() {
  return (
    <Page title="Settings">
      <Tabs label="Settings">
        <NavLink end to={paths.settings()} className={tabClass}>
          Profile
        </NavLink>
        <NavLink to={paths.settingsKeys()} className={tabClass}>
          API keys
        </NavLink>
        <NavLink to={paths.settingsAbout()} className={tabClass}>
          About
        </NavLink>
      </Tabs>
      <Outlet />
    </Page>
  );
}
