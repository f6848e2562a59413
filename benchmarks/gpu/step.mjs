// Training steps on batches of real lengths: time of a step, of an epoch, and peak memory. The device is waited for once a
// group of steps; uni and bi take turns.
import { native } from '../../dist/native/binding.js';
import { stratified, sum, tokenSource, tokensOf } from '../iwslt14/batches.mjs';
import { chipOf } from '../roofline/chips.mjs';
import { matrixOperations, stepKernels } from '../roofline/counts.mjs';
import { spread } from './stages.mjs';

const directions = ['uni', 'bi'];
/** Any tiles do: what the mathematics needs does not depend on them. */
const tiles = { forward: [64, 64], causal: [64, 64], backward: [64, 64] };

/** One model and a trainer for each direction. */
export class Steps {
  #settings;
  #device;
  #trainers = new Map();
  /** Of the last group of steps in a direction. */
  #metrics = new Map();
  #tokens;

  constructor(settings, device) {
    this.#settings = settings;
    this.#device = device;
    this.#tokens = tokenSource(settings.seed, settings.model.vocabSize);
  }

  #packed({ source, target }) {
    return { source: this.#tokens(source), target: this.#tokens(target) };
  }

  /** @returns rows of peak memory: of uni alone, each batch of the sample once */
  async open() {
    const { model: config, seed, device, precision, optimizer, loss, sample } = this.#settings;
    this.model = await native().Transformer.create(config, { seed, device, precision });
    this.sample = sample.batches.map((batch) => this.#packed(batch));
    const create = (direction) => native().Trainer.create(this.model, optimizer, { ...loss, direction });
    this.#trainers.set('uni', await create('uni'));
    await this.#device.resetPeak();
    await this.#run('uni', this.sample);
    const peakBytes = await this.#device.peakBytes();
    this.#trainers.set('bi', await create('bi'));
    await this.#run('bi', this.sample);
    return [{ side: 'rdrop', direction: 'uni', precision, peakBytes, batches: this.sample.length }];
  }

  /** Seconds of steps on these batches, the device waited for at the end. */
  async #run(direction, batches) {
    const trainer = this.#trainers.get(direction);
    const start = performance.now();
    let metrics = null;
    for (const batch of batches) ({ metrics } = await trainer.step([batch]));
    // On a device a step waits for nothing: its metrics do.
    this.#metrics.set(direction, metrics ?? (await trainer.metrics()));
    return (performance.now() - start) / 1000;
  }

  async stepRows(deviceName) {
    const { sample, model: config, precision } = this.#settings;
    const { group, passes } = sample;
    if (!this.#trainers.has('bi')) throw new Error('there are no trainers: the stage that makes them failed');
    const seconds = new Map(directions.map((direction) => [direction, []]));
    for (let pass = 0; pass < passes; pass++) {
      for (let first = 0; first < this.sample.length; first += group) {
        const batches = this.sample.slice(first, first + group);
        for (const direction of directions) {
          seconds.get(direction).push((await this.#run(direction, batches)) / batches.length);
        }
      }
    }
    const operations = sum(
      sample.batches.map((batch) => matrixOperations(stepKernels(config, batch, { tiles }))),
    );
    const peak = chipOf(deviceName)?.peak.matrix;
    return directions.map((direction) => {
      const times = seconds.get(direction);
      const perStep = sum(times) / times.length;
      const { graphs, graphFallbackReason, skipped } = this.#metrics.get(direction);
      const operationsPerSecond = operations / sample.batches.length / perStep;
      return {
        ...{ side: 'rdrop', direction, precision, ...spread(times), stepsPerGroup: group },
        ...{ steps: passes * this.sample.length, batches: this.sample.length, stepsPerSecond: 1 / perStep },
        tokensPerSecond: sum(sample.batches.map(tokensOf)) / sample.batches.length / perStep,
        ...{ graphs, graphFallbackReason, skipped, operationsPerSecond },
        shareOfMatrixPeak: peak === undefined || precision !== 'bfloat16' ? null : operationsPerSecond / peak,
      };
    });
  }

  /** An epoch of each direction: all of it, or as large a part as fits into the time allowed, by its share of tokens. */
  async epochRows(stepRows) {
    const { epochBatches, epochSeconds, precision } = this.#settings;
    const rows = [];
    for (const direction of directions) {
      const { stepsPerSecond } = stepRows.find((row) => row.direction === direction);
      const affordable = Math.max(1, Math.floor(epochSeconds[direction] * stepsPerSecond));
      const whole = epochBatches.length <= affordable;
      const lengths = whole ? epochBatches : stratified(epochBatches, affordable);
      const batches = lengths.map((batch) => this.#packed(batch));
      const measured = await this.#run(direction, batches);
      const part = sum(lengths.map(tokensOf)) / sum(epochBatches.map(tokensOf));
      rows.push({
        ...{ side: 'rdrop', direction, precision, seconds: measured / part, updates: epochBatches.length },
        ...{ measuredUpdates: lengths.length, measuredSeconds: measured, scaled: !whole },
      });
    }
    return rows;
  }

  close() {
    for (const trainer of this.#trainers.values()) trainer.dispose();
    this.model?.dispose();
  }
}
