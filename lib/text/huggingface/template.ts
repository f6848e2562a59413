import * as z from 'zod';
import { inside, malformed, type Place, parsePart, partOf } from './parts.js';

/** A place of a template: one of the two texts, or ids of special tokens; and the token type that all of it has. */
type Slot = { ids: 'a' | 'b' | readonly number[]; type: number };

/** How one text, and how two, become the sequence that the model reads. */
export interface Template {
  single: readonly Slot[];
  pair: readonly Slot[];
}

const bare: Template = {
  single: [{ ids: 'a', type: 0 }],
  pair: [
    { ids: 'a', type: 0 },
    { ids: 'b', type: 1 },
  ],
};

const special = z.tuple([z.string(), z.int().min(0)]);
const bert = z.strictObject({ type: z.string(), sep: special, cls: special });
const roberta = bert.extend({
  trim_offsets: z.boolean().default(true),
  add_prefix_space: z.boolean().default(true),
});

const typeId = z.int().min(0);
const slot = z.union([
  z.strictObject({ Sequence: z.strictObject({ id: z.enum(['A', 'B']), type_id: typeId }) }),
  z.strictObject({ SpecialToken: z.strictObject({ id: z.string(), type_id: typeId }) }),
]);
const template = z.strictObject({
  type: z.string(),
  single: z.array(slot),
  pair: z.array(slot),
  special_tokens: z.record(
    z.string(),
    z.strictObject({ id: z.string(), ids: z.array(z.int().min(0)), tokens: z.array(z.string()) }),
  ),
});
const byteLevel = z.looseObject({ type: z.string() });
const sequence = z.strictObject({ type: z.string(), processors: z.array(z.unknown()) });

const types: Record<string, (value: unknown, place: Place) => Template | null> = {
  BertProcessing: (value, place) => {
    const { cls, sep } = parsePart(bert, value, place);
    const single: Slot[] = [{ ids: [cls[1]], type: 0 }, ...bare.single, { ids: [sep[1]], type: 0 }];
    return { single, pair: [...single, { ids: 'b', type: 1 }, { ids: [sep[1]], type: 1 }] };
  },
  RobertaProcessing: (value, place) => {
    const { cls, sep } = parsePart(roberta, value, place);
    const end: Slot = { ids: [sep[1]], type: 0 };
    const single: Slot[] = [{ ids: [cls[1]], type: 0 }, ...bare.single, end];
    return { single, pair: [...single, end, { ids: 'b', type: 0 }, end] };
  },
  TemplateProcessing: (value, place) => {
    const { single, pair, special_tokens } = parsePart(template, value, place);
    const slots = (given: z.output<typeof slot>[], name: string): Slot[] =>
      given.map((each, i) => {
        if ('Sequence' in each) {
          return { ids: each.Sequence.id === 'A' ? 'a' : 'b', type: each.Sequence.type_id };
        }
        const { id, type_id } = each.SpecialToken;
        const ids = Object.hasOwn(special_tokens, id) ? special_tokens[id]!.ids : null;
        if (ids === null) throw malformed(inside(inside(place, name), i), 'one of its special_tokens', id);
        return { ids, type: type_id };
      });
    return { single: slots(single, 'single'), pair: slots(pair, 'pair') };
  },
  // Of offsets alone.
  ByteLevel: (value, place) => {
    parsePart(byteLevel, value, place);
    return null;
  },
  Sequence: (value, place) => {
    const { processors } = parsePart(sequence, value, place);
    const templates = processors
      .map((each, i) => partOf(each, inside(inside(place, 'processors'), i), types))
      .filter((each) => each !== null);
    if (templates.length > 1) {
      throw malformed(inside(place, 'processors'), 'at most one that adds tokens', processors);
    }
    return templates[0] ?? null;
  },
};

/**
 * The `post_processor` of a tokenizer.json.
 *
 * @throws RdropError NOT_EXPRESSIBLE (a type or an option that rdrop does not have), MALFORMED_FILE
 */
export const templateOf = (value: unknown, place: Place): Template =>
  (value === null || value === undefined ? null : partOf(value, place, types)) ?? bare;
