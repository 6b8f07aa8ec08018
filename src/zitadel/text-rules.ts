import { SessionError } from "../errors.ts";

// The longest id, name or token, and the longest of most other texts.
const maxTextLength = 200;

/**
 * The text, if it has `min` to `max` characters and can be stored: PostgreSQL keeps no NUL, and UTF-8 no half of a
 * surrogate pair.
 *
 * Throws SessionError `invalid_request` that names the field by its path.
 */
export function readText(text: string, path: string, { min = 1, max = maxTextLength } = {}): string {
  if (text.includes("\0") || !text.isWellFormed()) {
    throw new SessionError("invalid_request", `${path}: holds a character that cannot be stored`);
  }
  // Counted in characters, as upstream counts, not in UTF-16 units.
  const length = text.length > max ? [...text].length : text.length;
  if (length < min || length > max) throw new SessionError("invalid_request", `${path}: ${toRule(min, max)}`);
  return text;
}

function toRule(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return `must have at least ${min} characters`;
  return min === max ? `must have ${min} characters` : `must have ${min} to ${max} characters`;
}
