/** Whether what is shown follows by itself. */
import { useLiveStatus } from "@/api/live";
import { useAway } from "@/api/queries";

export function LiveWord() {
  const live = useLiveStatus();
  // The socket may stand while nothing comes through it: the notice below says what that means.
  const away = useAway().includes("redis");
  if (live === "live") return away ? "Not live" : "Live";
  if (live === "waiting")
    return <span role="status">The live connection is lost; asking every few seconds instead.</span>;
  return <span>&nbsp;</span>;
}
