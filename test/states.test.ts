// Every public method of the classes with a life (made, at work, disposed of) in every state and on every wrong receiver:
// a result or a coded error (on a wrong receiver JavaScript's own TypeError), and the object is as good as before. The methods are read from the classes, so that one that is
// new is tried without anybody thinking of it; the table says what differs from the rule.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RdropError, Trainer, Transformer, Translator } from '../lib/index.js';
import { makeReversalData, tinyOptions, trainAll, workplace } from './training/tiny_run.js';

type Instance = Transformer | Trainer | Translator;
type Outcome = 'value' | string;

const batch = { source: [Int32Array.of(5, 6, 2)], target: [Int32Array.of(6, 5, 2)] };
const loss = { direction: 'uni', alpha: 1 } as const;

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
let finished: string;
let runs = 0;
/** The process-wide number of unhandled rejections: no call may leave one behind. */
const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);

beforeAll(async () => {
  process.on('unhandledRejection', note);
  place = await workplace();
  data = join(place.path, 'data');
  finished = join(place.path, 'finished');
  await makeReversalData(data);
  await trainAll({ ...tinyOptions(data, finished), maxUpdates: 10 });
});
afterAll(async () => {
  process.off('unhandledRejection', note);
  await place.remove();
  expect(unhandled).toEqual([]);
});

interface Subject {
  /** Where a class has several. */
  what?: string;
  class: { name: string; prototype: object };
  make: () => Promise<Instance>;
  /** Puts the object to work; resolves when that is over, however it ends. */
  states: Record<string, (object: Instance) => Promise<() => Promise<unknown>>>;
  arguments: Record<string, () => unknown[]>;
  /** What a method gives, by state; `rule` where nothing is said of it. Getters give what they know in every state. */
  expected: Record<string, { rule: Outcome; [method: string]: Outcome }>;
}

const nothing = async () => async () => {};
const dispose = async (object: Instance) => {
  object.dispose();
  return async () => {};
};
/** Swallows how it ends: here only that it ends matters. */
const ended = (work: Promise<unknown>) => {
  const swallowed = work.catch(() => {});
  return () => swallowed;
};

const smallModel = () =>
  Transformer.create(
    { vocabSize: 20, embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1 },
    { device: 'cpu', seed: 1 },
  );
/** What a decoder alone reads and predicts. */
const text = { source: [Int32Array.of(2, 5, 6)], target: [Int32Array.of(5, 6, 2)] };
const smallDecoder = () =>
  Transformer.create(
    { vocabSize: 20, embedDim: 16, ffnDim: 32, heads: 2, decoderLayers: 1, architecture: 'decoder' },
    { device: 'cpu', seed: 1 },
  );
const workDecoder = (object: Instance) => {
  const model = object as Transformer;
  return Promise.all([
    model.logits(text),
    model.lossAndGradients(text, loss),
    model.generate(text.source, { maxTokens: 2 }),
  ]);
};

const workModel = (object: Instance) => {
  const model = object as Transformer;
  return Promise.all([
    model.logits(batch),
    model.lossAndGradients(batch, loss),
    model.translate(batch.source),
  ]);
};

const subjects: Subject[] = [
  {
    class: Transformer,
    make: smallModel,
    states: {
      ready: nothing,
      working: async (object) => ended(workModel(object)),
      disposed: dispose,
      'disposed at work': async (object) => {
        const work = workModel(object);
        object.dispose();
        return () => work; // calls under way end first, with their results
      },
    },
    arguments: {
      logits: () => [batch],
      hidden: () => [batch],
      generate: () => [[Int32Array.of(2)], { maxTokens: 1 }],
      lossAndGradients: () => [batch, loss],
      evaluate: () => [batch, loss],
      translate: () => [batch.source],
      save: () => [join(place.path, `model${runs++}.safetensors`)],
    },
    // generate() is of a decoder alone, whatever the state.
    expected: {
      ready: { rule: 'value', generate: 'INVALID_ARGUMENT' },
      working: { rule: 'value', generate: 'INVALID_ARGUMENT' },
      disposed: { rule: 'DISPOSED', generate: 'INVALID_ARGUMENT', dispose: 'value' },
      'disposed at work': { rule: 'DISPOSED', generate: 'INVALID_ARGUMENT', dispose: 'value' },
    },
  },
  {
    class: Transformer,
    what: 'a decoder alone',
    make: smallDecoder,
    states: {
      ready: nothing,
      working: async (object) => ended(workDecoder(object)),
      disposed: dispose,
      'disposed at work': async (object) => {
        const work = workDecoder(object);
        object.dispose();
        return () => work;
      },
    },
    arguments: {
      logits: () => [text],
      hidden: () => [text],
      generate: () => [text.source, { maxTokens: 2 }],
      lossAndGradients: () => [text, loss],
      evaluate: () => [text, loss],
      translate: () => [text.source],
      save: () => [join(place.path, `model${runs++}.safetensors`)],
    },
    expected: {
      ready: { rule: 'value', translate: 'INVALID_ARGUMENT' },
      working: { rule: 'value', translate: 'INVALID_ARGUMENT' },
      disposed: { rule: 'DISPOSED', translate: 'INVALID_ARGUMENT', dispose: 'value' },
      'disposed at work': { rule: 'DISPOSED', translate: 'INVALID_ARGUMENT', dispose: 'value' },
    },
  },
  {
    class: Trainer,
    make: () => Trainer.create(tinyOptions(data, join(place.path, `run${runs++}`))),
    states: {
      ready: nothing,
      stepping: async (object) => ended((object as Trainer).step(batch)),
      fitting: async (object) => {
        const iterator = (object as Trainer).fit();
        await iterator.next();
        return () => iterator.return();
      },
      disposed: dispose,
      'disposed while stepping': async (object) => {
        const work = (object as Trainer).step(batch);
        object.dispose();
        return ended(work);
      },
      'disposed while fitting': async (object) => {
        const iterator = (object as Trainer).fit();
        await iterator.next();
        object.dispose();
        return ended(iterator.next());
      },
    },
    arguments: { step: () => [batch] },
    expected: {
      ready: { rule: 'value' },
      stepping: { rule: 'BUSY', dispose: 'value' },
      fitting: { rule: 'BUSY', dispose: 'value' },
      disposed: { rule: 'DISPOSED', dispose: 'value' },
      'disposed while stepping': { rule: 'DISPOSED', dispose: 'value' },
      'disposed while fitting': { rule: 'DISPOSED', dispose: 'value' },
    },
  },
  {
    class: Translator,
    make: () => Translator.load(finished, { device: 'cpu', threads: 1 }),
    states: {
      ready: nothing,
      working: async (object) => ended((object as Translator).translate(['w1 w2', 'w3'])),
      disposed: dispose,
      'disposed at work': async (object) => {
        const work = (object as Translator).translate(['w1 w2', 'w3']);
        object.dispose();
        return ended(work);
      },
    },
    arguments: { translate: () => [['w1 w2']] },
    expected: {
      ready: { rule: 'value' },
      working: { rule: 'value' },
      disposed: { rule: 'DISPOSED', dispose: 'value' },
      'disposed at work': { rule: 'DISPOSED', dispose: 'value' },
    },
  },
];

/** Names of methods (Symbol.dispose among them) and getters of a class. */
function members(prototype: object): { methods: (string | symbol)[]; getters: string[] } {
  const methods: (string | symbol)[] = [];
  const getters: string[] = [];
  for (const name of Reflect.ownKeys(prototype)) {
    const { get, value } = Object.getOwnPropertyDescriptor(prototype, name)!;
    if (get !== undefined) getters.push(String(name));
    else if (typeof value === 'function' && name !== 'constructor') methods.push(name);
  }
  return { methods, getters };
}

/** Runs a call to its end; of a generator, its first event and then its return. */
async function outcomeOf(call: () => unknown): Promise<{ outcome: Outcome; error?: unknown }> {
  try {
    const result = call();
    if (typeof (result as AsyncGenerator)?.[Symbol.asyncIterator] === 'function') {
      await (result as AsyncGenerator).next();
      await (result as AsyncGenerator).return(undefined);
    } else await result;
    return { outcome: 'value' };
  } catch (error) {
    return { outcome: error instanceof RdropError ? error.code : String(error), error };
  }
}

/** What V8 says of a private field on an object that has none. */
const ofPrivateField = /^TypeError: .*(private (member|method) |reading ')#/;

const label = (name: string | symbol) => (typeof name === 'symbol' ? `[${name.description}]` : name);

describe.each(subjects)('$class.name $what', (subject) => {
  const { methods, getters } = members(subject.class.prototype);
  const argumentsOf = (name: string | symbol) => subject.arguments[String(name)]?.() ?? [];
  const cases = Object.keys(subject.states).flatMap((state) =>
    methods.map((name) => [state, label(name), name] as const),
  );

  test.each(cases)('%s: %s()', async (state, _, name) => {
    const object = await subject.make();
    let over: () => Promise<unknown> = async () => {};
    try {
      over = await subject.states[state]!(object);
      const method = Reflect.get(object, name) as (...args: unknown[]) => unknown;
      const { outcome, error } = await outcomeOf(() => method.apply(object, argumentsOf(name)));
      const { rule, ...others } = subject.expected[state]!;
      const plain = name === Symbol.dispose || name === Symbol.asyncDispose ? 'dispose' : String(name);
      expect(outcome, `${error instanceof Error ? error.stack : ''}`).toBe(others[plain] ?? rule);
    } finally {
      await over();
      object.dispose();
    }
  });

  test.each(Object.keys(subject.states))('%s: getters give what they know', async (state) => {
    const object = await subject.make();
    const over = await subject.states[state]!(object);
    try {
      for (const name of getters) expect(Reflect.get(object, name), name).toBeDefined();
    } finally {
      await over();
      object.dispose();
    }
  });

  test('on a wrong receiver every member is a TypeError that names a private field', async () => {
    const object = await subject.make();
    const other = await smallModel();
    try {
      const wrong = [
        ...[
          undefined,
          null,
          5,
          'text',
          Symbol('s'),
          {},
          [],
          () => {},
          subject.class,
          subject.class.prototype,
        ],
        ...[Object.create(object), new Proxy(object, {}), { ...object }, structuredClone({})],
        ...(subject.class === Transformer ? [] : [other]),
      ];
      for (const receiver of wrong) {
        for (const name of methods) {
          const method = Reflect.get(subject.class.prototype, name) as (...args: unknown[]) => unknown;
          const { outcome } = await outcomeOf(() => Reflect.apply(method, receiver, argumentsOf(name)));
          expect(outcome, `${label(name)} on ${Object.prototype.toString.call(receiver)}`).toMatch(
            ofPrivateField,
          );
        }
        for (const name of getters) {
          const { get } = Object.getOwnPropertyDescriptor(subject.class.prototype, name)!;
          const { outcome } = await outcomeOf(() => Reflect.apply(get!, receiver, []));
          expect(outcome, name).toMatch(ofPrivateField);
        }
      }
    } finally {
      object.dispose();
      other.dispose();
    }
  });
});
