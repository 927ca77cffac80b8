/** Grey in the final shape, so that nothing moves when the words arrive. */
import styles from "./skeleton.module.css";

export function Skeleton({
  width = "100%",
  height = "1em",
  label,
}: {
  width?: string;
  height?: string;
  label?: string;
}) {
  return (
    <>
      <span className={styles.skeleton} style={{ width, height }} aria-hidden="true" />
      {label && <span className="hidden">{label}</span>}
    </>
  );
}

export function SkeletonRows({ rows = 6, height = 44 }: { rows?: number; height?: number }) {
  return (
    <div role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike
        <div key={row} className={styles.row} style={{ height }}>
          <Skeleton width={`${38 + ((row * 17) % 30)}%`} />
          <Skeleton width="8%" />
          <Skeleton width="10%" />
        </div>
      ))}
    </div>
  );
}

export function SkeletonText({ lines = 3, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <div role="status" aria-label={label} className={styles.text}>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <Skeleton key={line} width={`${96 - ((line * 23) % 40)}%`} />
      ))}
    </div>
  );
}
