/** Whether what is shown follows by itself. */
import { useLiveStatus } from "@/api/live";

export function LiveWord() {
  const live = useLiveStatus();
  if (live === "live") return "Live";
  if (live === "waiting")
    return <span role="status">The live connection is lost; asking every few seconds instead.</span>;
  return <span>&nbsp;</span>;
}
