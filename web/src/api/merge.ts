// JSON merge patch (RFC 7396) on the status document. Its lists (nodes, sources, sinks) may come as arrays or as objects keyed
// by id or name; inside the console they are always objects, so that a patch touches only what changed.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

const list_keys: { [list: string]: string } = { nodes: 'id', sources: 'name', sinks: 'name' };

export function is_object(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Applies `patch` to `target` and returns the result; neither is changed, and parts without a change are shared. */
export function merge_patch(target: Json | undefined, patch: Json): Json {
  if (!is_object(patch)) return patch;
  const result: JsonObject = is_object(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge_patch(result[name], value);
  }
  return result;
}

/** Turns the lists of a document or patch into objects keyed by id or name; leaves what is keyed already as it is. */
export function key_lists(document: JsonObject): JsonObject {
  const result: JsonObject = { ...document };
  for (const [list, key] of Object.entries(list_keys)) {
    const value = result[list];
    if (Array.isArray(value)) {
      result[list] = Object.fromEntries(value.filter(is_object).map((item) => [String(item[key]), item]));
    }
  }
  return result;
}

/** The values of a keyed list, each with its key filled in (a patch may leave it out). */
export function list_of(document: JsonObject, list: string): JsonObject[] {
  const value = document[list];
  const key = list_keys[list] ?? 'id';
  if (!is_object(value)) return [];
  return Object.entries(value).flatMap(([id, item]) => (is_object(item) ? [{ ...item, [key]: id }] : []));
}

/** A status event: a whole document replaces, anything else patches. A document in arrays is whole in those lists. */
export function apply_status(current: JsonObject | null, event: JsonObject): JsonObject {
  const keyed = key_lists(event);
  if (current === null) return keyed;
  const whole_lists = Object.keys(list_keys).filter((list) => Array.isArray(event[list]));
  const base: JsonObject = { ...current };
  for (const list of whole_lists) delete base[list];
  return merge_patch(base, keyed) as JsonObject;
}
