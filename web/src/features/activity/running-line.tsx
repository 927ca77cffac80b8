/** The thin line at the top of the frame: the sum of what runs. It leads to the jobs. */
import { Link } from "react-router";
import { useRecentJobs } from "@/api/queries";
import { counted } from "@/lib/format";
import { paths } from "@/lib/paths";
import { isActive } from "@/lib/words";
import { Progress } from "@/ui/progress";
import styles from "./activity.module.css";
import { sum } from "./say";

export function RunningLine() {
  const { jobs } = useRecentJobs();
  const running = jobs.filter((job) => isActive(job.status));
  if (running.length === 0) return null;
  const value = sum(running);
  const words = `${counted(running.length, "job")} running${value === null ? "" : `, ${Math.floor(value)} %`}`;
  return (
    <header className={styles.line}>
      <Link to={paths.jobs()} className={styles.lineLink} title={words} aria-label={words}>
        <Progress value={value} label={words} thin />
      </Link>
    </header>
  );
}
