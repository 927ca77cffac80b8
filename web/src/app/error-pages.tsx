/** The two ends of the road: nothing lives at this address, or the page broke. */
import { isRouteErrorResponse, Link, useRouteError } from "react-router";
import { problemOf } from "@/api/problem";
import { paths } from "@/lib/paths";
import { buttonClass } from "@/ui/button";
import { Empty, ProblemNotice } from "@/ui/notice";
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
  return (
    <Page title="This page could not be shown">
      <ProblemNotice
        problem={problemOf(error)}
        actions={
          <button type="button" className={buttonClass()} onClick={() => location.reload()}>
            Reload
          </button>
        }
      />
    </Page>
  );
}
