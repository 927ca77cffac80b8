/** A state is never colour alone: sign and word. */
import { documentLook, jobLook, type Tone } from "@/lib/words";
import { Icon, type IconName } from "./icon";
import styles from "./status.module.css";

export function Status({ tone, icon, children }: { tone: Tone; icon: IconName; children: string }) {
  return (
    <span className={`${styles.status} ${styles[tone]}`}>
      <Icon name={icon} size={14} />
      {children}
    </span>
  );
}

export function DocumentState({ state }: { state: string }) {
  const look = documentLook(state);
  return (
    <Status tone={look.tone} icon={look.icon}>
      {look.word}
    </Status>
  );
}

export function JobStatus({ status, outcome }: { status: string; outcome?: string | null }) {
  const look = jobLook(status, outcome);
  return (
    <Status tone={look.tone} icon={look.icon}>
      {look.word}
    </Status>
  );
}
