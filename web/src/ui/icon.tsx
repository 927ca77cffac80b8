/** The drawn signs: 16 px, one stroke, always beside a word. */
const PATHS = {
  search: "M7 12.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM11 11l3.5 3.5",
  collections: "M2.5 5.5h11v8h-11zM4 3.5h8M5.5 1.5h5",
  jobs: "M1.5 8.5h3l2-5 3 9 2-4h3",
  settings: "M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7M10.5 3v3M5.5 10v3",
  check: "M3 8.5 6.5 12 13 4.5",
  half: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 0v12M8 5.5h3M8 8h4M8 10.5h3",
  minus: "M3.5 8h9",
  cross: "M4 4l8 8M12 4l-8 8",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 5v3.2l2 1.3",
  play: "M5 3.5v9l7-4.5z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  stop: "M4 4h8v8H4z",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3.2H9.8",
  chevronDown: "M4 6l4 4 4-4",
  chevronRight: "M6 4l4 4-4 4",
  chevronLeft: "M10 4 6 8l4 4",
  upload: "M8 10.5v-8M5 5l3-3 3 3M2.5 10.5v3h11v-3",
  download: "M8 2.5v8M5 7.5l3 3 3-3M2.5 11.5v2h11v-2",
  plus: "M8 3v10M3 8h10",
  copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
  folder: "M1.5 4v9h13V5.5h-7L6 3.5H1.5z",
  file: "M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3",
  filter: "M2 4h12M4.5 8h7M6.5 12h3",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  warning: "M8 2 1.5 13.5h13zM8 6.5v3.2M8 11.6v.2",
  outline: "M2.5 4h11M5 8h8.5M5 12h8.5",
  logout: "M6.5 2.5h-4v11h4M6 8h8M11 5l3 3-3 3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      focusable="false"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "play" || name === "stop" ? 1.3 : 1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      className="icon"
      style={{ flex: "none" }}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
