/** Many files in few requests: small files travel together, a large one alone. Pure. */

export function batches<T extends { size: number }>(
  files: readonly T[],
  { maxFiles = 20, maxBytes = 32_000_000 } = {},
): T[][] {
  const out: T[][] = [];
  let current: T[] = [];
  let size = 0;
  for (const file of files) {
    if (current.length > 0 && (current.length >= maxFiles || size + file.size > maxBytes)) {
      out.push(current);
      current = [];
      size = 0;
    }
    current.push(file);
    size += file.size;
  }
  if (current.length > 0) out.push(current);
  return out;
}

/** How much of each file is through, 0..1, when `loaded` bytes of the whole request are. Files travel in order. */
export function shares(sizes: readonly number[], loaded: number, total: number): number[] {
  const payload = sizes.reduce((sum, size) => sum + size, 0);
  // The request is a little longer than its files: the envelope is spread over them.
  let left = total > 0 ? (loaded / total) * payload : 0;
  return sizes.map((size) => {
    if (size === 0) return loaded >= total ? 1 : 0;
    const share = Math.max(0, Math.min(1, left / size));
    left -= size;
    return share;
  });
}
