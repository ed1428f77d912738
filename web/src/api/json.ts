// Reads JSON without rounding: a number with more digits than a double holds becomes text with all of them. BIGINT, HUGEINT and
// DECIMAL come as bare numbers.

type ReviverContext = { source?: string };

const long_number = /\d[\d.]{15,}/;

export function parse_json(text: string): unknown {
  if (!long_number.test(text)) return JSON.parse(text);
  const revive = (_key: string, value: unknown, context?: ReviverContext): unknown =>
    typeof value === 'number' && context?.source && is_rounded(value, context.source) ? context.source : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/** A double printed by the engine reads back as the same text; what does not was a wider number. */
function is_rounded(value: number, source: string): boolean {
  return (
    source.length > 15 &&
    /^-?[\d.]+$/.test(source) &&
    String(value) !== source.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')
  );
}
