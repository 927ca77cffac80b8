/** The name of a file as it is: in its own direction, and with marks that would turn it about made visible. */

/** A name with such a mark reads "invoice-fdp.exe" as "invoice-exe.pdf"; the command line shows it in the same way. */
export function plainName(name: string): string {
  return name.replace(
    /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (mark) => `\\u${mark.codePointAt(0)?.toString(16).padStart(4, "0")}`,
  );
}

export function Name({ children }: { children: string }) {
  return <bdi>{plainName(children)}</bdi>;
}
