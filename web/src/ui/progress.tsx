/** Progress: a line that never goes back; without a total it says so in words and does not pretend. */
import styles from "./progress.module.css";

export function Progress({ value, label, thin = false }: { value: number | null; label: string; thin?: boolean }) {
  const known = value !== null && Number.isFinite(value);
  const clamped = known ? Math.max(0, Math.min(100, value)) : 0;
  return (
    <div
      className={`${styles.track} ${thin ? styles.thin : ""}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={known ? Math.round(clamped) : undefined}
    >
      {known ? (
        <div className={styles.fill} style={{ transform: `scaleX(${clamped / 100})` }} />
      ) : (
        <div className={styles.unknown} />
      )}
    </div>
  );
}
