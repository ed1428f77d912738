// Reads JSON without rounding: an integer that a double cannot hold becomes text with all its digits.

type ReviverContext = { source?: string };

const long_integer = /[[:,\s]-?\d{16,}/;

export function parse_json(text: string): unknown {
  if (!long_integer.test(text)) return JSON.parse(text);
  const revive = (_key: string, value: unknown, context?: ReviverContext): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && context?.source && /^-?\d+$/.test(context.source)
      ? context.source
      : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}
