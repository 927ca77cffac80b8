// Before the first paint, so that a chosen theme never flashes the other one. A file, not inline: the policy forbids inline scripts.
try {
  const theme = localStorage.getItem("semantik.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be closed; the system's theme is fine.
}
