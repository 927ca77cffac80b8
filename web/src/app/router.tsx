/** The only composer: which page answers which URL. */
import { createBrowserRouter, Navigate, type RouteObject } from "react-router";
import { KeysSection } from "@/features/accounts/keys-section";
import { LoginPage } from "@/features/accounts/login-page";
import { ProfileSection } from "@/features/accounts/profile-section";
import { SetupPage } from "@/features/accounts/setup-page";
import { JobPage } from "@/features/activity/job-page";
import { JobsTab } from "@/features/activity/jobs-tab";
import { CollectionFrame } from "@/features/collections/collection-frame";
import { CollectionSettings } from "@/features/collections/collection-settings";
import { CollectionsPage } from "@/features/collections/collections-page";
import { NewCollectionPage } from "@/features/collections/new-collection-page";
import { DeadLettersTab } from "@/features/dead-letters/dead-letters-tab";
import { DocumentPage } from "@/features/documents/document-page";
import { DocumentsTab } from "@/features/documents/documents-tab";
import { FailuresTab } from "@/features/documents/failures-tab";
import { NewScheduleTab } from "@/features/schedules/new-schedule-tab";
import { ScheduleTab } from "@/features/schedules/schedule-tab";
import { SchedulesTab } from "@/features/schedules/schedules-tab";
import { SearchPage } from "@/features/search/search-page";
import { NewSourceTab } from "@/features/sources/new-source-tab";
import { SourcePlanTab } from "@/features/sources/source-plan-tab";
import { SourceSettingsTab } from "@/features/sources/source-settings-tab";
import { SourcesTab } from "@/features/sources/sources-tab";
import { AboutSection } from "@/features/system/about-section";
import { QueuesTab } from "@/features/workers/queues-tab";
import { WorkersTab } from "@/features/workers/workers-tab";
import { paths } from "@/lib/paths";
import { BrokenPage, NotFoundPage } from "./error-pages";
import { Gate } from "./gate";
import { JobsFrame } from "./jobs-frame";
import { SettingsFrame } from "./settings-frame";
import { Shell } from "./shell";

export const routes: RouteObject[] = [
  { path: "/setup", element: <SetupPage />, errorElement: <BrokenPage /> },
  { path: "/login", element: <LoginPage />, errorElement: <BrokenPage /> },
  {
    element: (
      <Gate>
        <Shell />
      </Gate>
    ),
    errorElement: <BrokenPage />,
    children: [
      {
        // A page that breaks leaves the frame standing.
        errorElement: <BrokenPage />,
        children: [
          { index: true, element: <Navigate to={paths.home()} replace /> },
          { path: "search", element: <SearchPage /> },
          { path: "collections", element: <CollectionsPage /> },
          { path: "collections/new", element: <NewCollectionPage /> },
          {
            path: "collections/:collection",
            element: <CollectionFrame />,
            children: [
              { index: true, element: <DocumentsTab /> },
              { path: "sources", element: <SourcesTab /> },
              { path: "sources/new", element: <NewSourceTab /> },
              { path: "sources/:source", element: <SourceSettingsTab /> },
              { path: "sources/:source/plan", element: <SourcePlanTab /> },
              { path: "failures", element: <FailuresTab /> },
              { path: "settings", element: <CollectionSettings /> },
            ],
          },
          { path: "documents/:document", element: <DocumentPage /> },
          {
            path: "jobs",
            element: <JobsFrame />,
            children: [
              { index: true, element: <JobsTab /> },
              { path: "dead-letters", element: <DeadLettersTab /> },
              { path: "schedules", element: <SchedulesTab /> },
              { path: "schedules/new", element: <NewScheduleTab /> },
              { path: "schedules/:schedule", element: <ScheduleTab /> },
              { path: "queues", element: <QueuesTab /> },
              { path: "workers", element: <WorkersTab /> },
            ],
          },
          { path: "jobs/:job", element: <JobPage /> },
          {
            path: "settings",
            element: <SettingsFrame />,
            children: [
              { index: true, element: <ProfileSection /> },
              { path: "keys", element: <KeysSection /> },
              { path: "about", element: <AboutSection /> },
            ],
          },
          { path: "*", element: <NotFoundPage /> },
        ],
      },
    ],
  },
];

export const createRouter = () => createBrowserRouter(routes);
