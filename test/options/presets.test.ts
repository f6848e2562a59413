// The option `preset`: options are laid over it part by part, wherever a training configuration is taken.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { trainOptions } from '../../lib/cli/train.js';
import { native } from '../../lib/native/binding.js';
import {
  type PresetName,
  presetNames,
  presets,
  resolveTrainOptions,
  sweepSchema,
  type TrainOptions,
} from '../../lib/options/index.js';
import { planTrials } from '../../lib/sweep/plan.js';
import { sweep } from '../../lib/sweep/sweep.js';
import { nativeOptimizerOptions } from '../../lib/training/optimizer/optimizer_options.js';
import { Trainer } from '../../lib/training/trainer.js';

const directory = mkdtempSync(join(tmpdir(), 'rdrop-presets-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const given = { data: 'data', runDirectory: 'run' };
const resolved = (options: Partial<TrainOptions>) => resolveTrainOptions({ ...given, ...options }, 'train');

describe('preset', () => {
  it('lends every option that is not given, beside one that is', () => {
    const config = resolved({
      preset: 'multi30k',
      optimizer: { learningRate: 5e-4 },
      model: { dropout: 0.1 },
      validation: { beam: { beam: 3 } },
    });
    expect(config.optimizer).toMatchObject({ learningRate: 5e-4, warmupUpdates: 800 });
    expect(config.model).toMatchObject({ dropout: 0.1, embedDim: 256, encoderLayers: 3 });
    expect(config.validation).toMatchObject({ interval: 1000, beam: { beam: 3, maxLenA: 1.2, maxLenB: 10 } });
    expect(config.maxMinutes).toBe(45);
    expect(config).not.toHaveProperty('preset');
  });

  it('holds where an option is undefined', () => {
    const config = resolved({
      preset: 'multi30k',
      optimizer: { warmupUpdates: undefined },
      maxMinutes: undefined,
    });
    expect(config.optimizer.warmupUpdates).toBe(800);
    expect(config.maxMinutes).toBe(45);
    expect(resolved({ preset: undefined })).toEqual(resolved({}));
  });

  it.each(presetNames)('%s alone gives what it says', (name: PresetName) => {
    expect(resolved({ preset: name })).toMatchObject(presets[name]);
  });

  it('is not changed by what is laid over it', () => {
    const before = structuredClone(presets.tiny);
    resolved({ preset: 'tiny', model: { embedDim: 8 } });
    expect(presets.tiny).toEqual(before);
  });

  it('that does not exist is refused with the nearest name, and nothing is made', async () => {
    const options = { ...given, runDirectory: join(directory, 'run'), preset: 'multi30' as PresetName };
    const error = {
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(
        /train\.preset: unknown preset, did you mean multi30k\?; expected one of iwslt14-rdrop-uni, .*; got "multi30"/,
      ),
    };
    await expect(Trainer.create(options)).rejects.toMatchObject(error);
    const trials = sweep(
      { data: 'data', preset: 'Tiny' as PresetName },
      { directory: join(directory, 'sweep') },
    );
    await expect(trials.next()).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('config.preset: unknown preset, did you mean tiny?'),
    });
    expect(() => resolved({ preset: 7 as unknown as PresetName })).toThrow(/train\.preset: .*; got 7/);
    expect(() => resolved({ preset: '__proto__' as PresetName })).toThrow(/unknown preset/);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('mistyped as an option is reported by its name', () => {
    expect(() => resolved({ prest: 'tiny' } as object)).toThrow(
      /train\.prest: unknown option, did you mean preset\?/,
    );
  });
});

describe('the presets of nanoGPT', () => {
  const peak = 1e-3;
  const nanoGptRate = (done: number, updates: number) => {
    if (done < 100) return (peak * (done + 1)) / 101;
    return 1e-4 + 0.5 * (1 + Math.cos((Math.PI * (done - 100)) / (updates - 100))) * (peak - 1e-4);
  };

  it.each([
    ['gpt-tiny', 2000],
    ['gpt-small', 5000],
  ] as const)('%s has the learning rates of its train.py', (name, updates) => {
    const config = resolved({ preset: name });
    const optimizer = nativeOptimizerOptions(config, {
      parameterShapes: [['decoder.layer_norm.weight', [8]]],
    });
    for (const done of [0, 1, 50, 99, 100, 101, 1000, updates - 1])
      expect(native().learningRate(optimizer, done)).toBeCloseTo(nanoGptRate(done, updates), 14);
    expect(optimizer.groups).toEqual([{ name: 'decoder.layer_norm.weight', rate: 1, decay: false }]);
  });

  it('gpt-tiny is one pass, and with two a run of R-Drop', () => {
    expect(resolved({ preset: 'gpt-tiny' }).loss).toMatchObject({ passes: 1, alpha: 0, labelSmoothing: 0 });
    const loss = resolved({ preset: 'gpt-tiny', loss: { passes: 2, alpha: 1, direction: 'bi' } }).loss;
    expect(loss).toMatchObject({ passes: 2, alpha: 1, direction: 'bi', labelSmoothing: 0 });
  });
});

describe('preset of a sweep', () => {
  it('lies under the options that the trials share, threads too', () => {
    const options = sweepSchema.parse({ directory, seeds: [1], directions: ['bi', 'baseline'], parallel: 1 });
    const shared = { data: 'data', preset: 'multi30k', optimizer: { learningRate: 5e-4 } } as const;
    const [bi, baseline] = planTrials(shared, options);
    expect(bi!.config.optimizer).toMatchObject({ learningRate: 5e-4, warmupUpdates: 800 });
    expect(bi!.config.loss).toMatchObject({ direction: 'bi', alpha: 5 });
    expect(baseline!.config.optimizer.warmupUpdates).toBe(800);
    expect(baseline!.config.loss.alpha).toBe(0);
  });
});

describe('preset on the command line', () => {
  const flags = {
    run: 'run',
    data: 'data',
    set: [],
    resume: false,
    unlock: false,
    verify: true,
    json: false,
  };

  it('comes from --preset or the file, and --set lies over it', async () => {
    const file = join(directory, 'config.json');
    writeFileSync(file, JSON.stringify({ preset: 'multi30k', optimizer: { learningRate: 5e-4 } }));
    const ofFile = resolveTrainOptions(await trainOptions({ ...flags, config: file }), 'train');
    expect(ofFile.optimizer).toMatchObject({ learningRate: 5e-4, warmupUpdates: 800 });
    const both = await trainOptions({ ...flags, config: file, preset: 'tiny', set: ['model.dropout=0.2'] });
    const ofFlag = resolveTrainOptions(both, 'train');
    expect(ofFlag.optimizer).toMatchObject({ learningRate: 5e-4, warmupUpdates: 200 });
    expect(ofFlag.model).toMatchObject({ dropout: 0.2, embedDim: 64 });
  });

  it('that does not exist is refused by the name of the flag', async () => {
    await expect(trainOptions({ ...flags, preset: 'tin' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('preset: unknown preset, did you mean tiny?'),
    });
  });
});
