/** A text for a terminal: what a terminal takes for a command, or does not show, stands there as `\u{…}`. */
export function toPrintable(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
