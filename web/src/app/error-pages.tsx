/** The two ends of the road: nothing lives at this address, or the page broke. */
import { isRouteErrorResponse, Link, useRouteError } from "react-router";
import { problemOf } from "@/api/problem";
import { paths } from "@/lib/paths";
import { buttonClass } from "@/ui/button";
import { Empty, Notice, ProblemNotice } from "@/ui/notice";
import { Page } from "@/ui/page";

export function NotFoundPage() {
  return (
    <Page title="Nothing at this address">
      <Empty
        action={
          <Link to={paths.search()} className={buttonClass()}>
            Go to search
          </Link>
        }
      >
        The link may be old, or what it pointed to was deleted.
      </Empty>
    </Page>
  );
}

export function BrokenPage() {
  const error = useRouteError();
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFoundPage />;
  const problem = problemOf(error);
  const actions = (
    <>
      <button type="button" className={buttonClass()} onClick={() => location.reload()}>
        Reload
      </button>
      <Link to={paths.search()} className={buttonClass()}>
        Go to search
      </Link>
    </>
  );
  return (
    <Page title="This page could not be shown">
      {problem.code === "bug" ? (
        <Notice tone="bad" icon="warning" actions={actions}>
          <p>Reload it. If it fails again, go on elsewhere: your documents and jobs are as they were.</p>
        </Notice>
      ) : (
        <ProblemNotice problem={problem} actions={actions} />
      )}
    </Page>
  );
}
