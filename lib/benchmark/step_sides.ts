/** Both sides of a training step: ours in this process, each form of PyTorch's in one of its own, with our parameters. */
import { join } from 'node:path';
import { encodeSafetensors, type Tensor } from '../data/safetensors/safetensors.js';
import { type Batch, packBatch } from '../model/pack.js';
import { native } from '../native/binding.js';
import type {
  NativeLossOptions,
  NativeModelConfig,
  NativeTrainer,
  NativeTransformer,
  Packed,
} from '../native/contract.js';
import type { BenchConfig, BenchPeer } from '../options/benchmark.js';
import type { KlDirection } from '../options/loss.js';
import { stepMetrics } from '../training/metrics.js';
import { fromNative, RdropError } from '../util/errors.js';
import { writeFileAtomically } from '../util/files/files.js';
import { type BatchLengths, tokenSource } from './iwslt14.js';
import type { BenchContext } from './measure.js';
import { Peer } from './peer_process.js';
import { benchLoss, benchOptimizer, type StepPeer, translationPeer } from './shapes.js';
import { withTemporaryDirectory } from './temporary_directory.js';

export type StepPrecision = BenchConfig['precision'];

/** A form of the peer: how it runs and in which arithmetic. */
export interface PeerForm {
  form: BenchPeer;
  precision: StepPrecision;
  name: string;
}

/** Relative difference of loss and gradient norm that two right results may have. */
const tolerance: Record<StepPrecision, number> = { float32: 1e-4, bfloat16: 2e-2 };

/** The forms that a precision is measured against; eager float32 is what bfloat16 is there to beat. */
export function peerForms({ peers, precision }: BenchConfig): PeerForm[] {
  const form = (how: BenchPeer, arithmetic: StepPrecision): PeerForm => ({
    form: how,
    precision: arithmetic,
    name: `PyTorch ${how === 'eager' ? 'eager' : 'compiled'}, ${arithmetic === 'bfloat16' ? 'bfloat16 autocast' : arithmetic}`,
  });
  return [
    ...peers.map((how) => form(how, precision)),
    ...(precision === 'bfloat16' && peers.includes('eager') ? [form('eager', 'float32')] : []),
  ];
}

const sentencesOf = ({ tokens, offsets }: Packed): Int32Array[] =>
  Array.from({ length: offsets.length - 1 }, (_, i) => tokens.slice(offsets[i], offsets[i + 1]));

/** Random sequences of given lengths for a model: pairs, texts and what follows each token, or texts and a class of each. */
export function batchesOf(seed: number, model: NativeModelConfig): (lengths: BatchLengths) => Batch {
  const next = batchSource(seed, model.vocabSize);
  if (model.architecture !== 'encoder') return next;
  const classes = model.outputs ?? 1;
  // A second stream of numbers, of which the first of each sequence is taken.
  const draw = tokenSource(seed + 1, classes + 4);
  return ({ source }) => {
    const { tokens } = draw(source.map(() => 2));
    return {
      source: next({ source, target: [] }).source,
      target: source.map((_, i) => Int32Array.of(tokens[2 * i]! - 4)),
    };
  };
}

/** Random sentences of given lengths. */
export function batchSource(seed: number, types: number): (lengths: BatchLengths) => Batch {
  const next = tokenSource(seed, types);
  return ({ source, target }) => ({ source: sentencesOf(next(source)), target: sentencesOf(next(target)) });
}

const asLists = (sentences: readonly Int32Array[]) => sentences.map((sentence) => [...sentence]);
const forPeer = ({ source, target }: Batch) => ({ source: asLists(source), target: asLists(target) });

export class StepSides {
  readonly peers = new Map<string, Peer>();
  /** Form of the peer → the peak memory of its process after its latest step. */
  readonly peakMegabytes = new Map<string, number>();
  /** Form of the peer → why it could not begin. */
  readonly missing = new Map<string, string>();
  readonly #trainers = new Map<KlDirection, NativeTrainer>();

  private constructor(
    readonly model: NativeTransformer,
    readonly config: NativeModelConfig,
    readonly loss: Omit<NativeLossOptions, 'direction'>,
    readonly peer: StepPeer,
  ) {}

  /** @throws RdropError BENCHMARK_FAILED, OUT_OF_MEMORY, those of `native()` */
  static async open(
    context: BenchContext,
    config: NativeModelConfig,
    forms: readonly PeerForm[],
    {
      loss = benchLoss,
      peer = translationPeer(config.encoderLayers),
    }: { loss?: Omit<NativeLossOptions, 'direction'>; peer?: StepPeer } = {},
  ): Promise<StepSides> {
    const { seed, precision, threads } = context.options;
    await fromNative(() => native().setThreads(threads));
    const model = await fromNative(() =>
      native().Transformer.create(config, { seed, device: 'cpu', precision }),
    );
    const sides = new StepSides(model, config, loss, peer);
    try {
      await withTemporaryDirectory((directory) => sides.#startPeers(context, forms, directory));
      return sides;
    } catch (error) {
      sides.close();
      throw error;
    }
  }

  async #startPeers(
    { options: { seed }, python, onProgress }: BenchContext,
    forms: readonly PeerForm[],
    directory: string,
  ): Promise<void> {
    if (python.path === null) return;
    const parameters = join(directory, 'parameters.safetensors');
    await writeFileAtomically(parameters, encodeSafetensors(await floats(this.model)));
    const { threads } = native().info();
    for (const { form, precision, name } of forms) {
      onProgress(`starting ${name}`);
      const peer = await Peer.startOrReason(python.path, this.peer.script, {
        ...{ ...this.config, ...this.peer.settings, seed, threads, form, precision },
        ...{ ...this.loss, parameters },
      });
      if (typeof peer === 'string') {
        this.missing.set(name, peer);
        onProgress(`without ${name}: ${peer}`);
      } else {
        this.peers.set(name, peer);
      }
    }
  }

  /**
   * Compares loss and norm of the gradient of each peer with ours, without dropout: the passes differ by their source, so that
   * the divergence counts.
   *
   * @returns peer → the larger of both relative differences
   * @throws RdropError BENCHMARK_FAILED
   */
  async check(
    batch: Batch,
    second: readonly Int32Array[],
    direction: KlDirection,
    forms: readonly PeerForm[],
    precision: StepPrecision,
  ): Promise<Map<string, number>> {
    if (this.peers.size === 0) return new Map();
    const packed = packBatch(batch);
    const secondSource = packBatch({ source: second, target: batch.target }).source;
    const { loss, tokens, gradients } = await fromNative(() =>
      this.model.lossAndGradients(
        packed,
        { ...this.loss, direction },
        { secondSource, training: false, update: 0 },
      ),
    );
    let squares = 0;
    for (const gradient of gradients.values()) for (const value of gradient) squares += value * value;
    const norm = Math.sqrt(squares) / tokens;
    const found = new Map<string, number>();
    for (const { name, precision: theirs } of forms) {
      const answer = await this.peers.get(name)!.ask<{ loss: number; gradientNorm: number }>({
        ...{ check: forPeer(batch), secondSource: asLists(second), direction },
      });
      const allowed = Math.max(tolerance[precision], tolerance[theirs]);
      const difference = Math.max(Math.abs(loss / answer.loss - 1), Math.abs(norm / answer.gradientNorm - 1));
      if (!(difference <= allowed)) {
        throw new RdropError(
          'BENCHMARK_FAILED',
          `${name}, ${direction}: expected our loss and gradient norm within ${allowed} of its ${answer.loss} and ` +
            `${answer.gradientNorm}, got ${loss} and ${norm}`,
        );
      }
      found.set(name, difference);
    }
    return found;
  }

  /**
   * One update of ours, from sentences to metrics: the seconds of all of it, and those that the core worked.
   */
  async step(batch: Batch, direction: KlDirection): Promise<{ seconds: number; nativeSeconds: number }> {
    let trainer = this.#trainers.get(direction);
    if (trainer === undefined) {
      trainer = await fromNative(() =>
        native().Trainer.create(this.model, benchOptimizer, { ...this.loss, direction }),
      );
      this.#trainers.set(direction, trainer);
    }
    const began = performance.now();
    const result = await fromNative(() => trainer.step([packBatch(batch)]));
    stepMetrics(result, result.metrics!);
    return { seconds: (performance.now() - began) / 1000, nativeSeconds: result.seconds };
  }

  /** What the row of a peer that could not begin is measured under. */
  missingOf(name: string): { peerMissing: string; peerVersion: undefined } {
    return { peerMissing: this.missing.get(name)!, peerVersion: undefined };
  }

  /** Seconds of a step of a peer, which also reports the peak memory of its process so far. */
  async peerStep(name: string, batch: Batch, direction: KlDirection): Promise<number> {
    const request = { step: forPeer(batch), direction };
    const peer = this.peers.get(name)!;
    const { seconds, peakMegabytes } = await peer.ask<{ seconds: number; peakMegabytes: number }>(request);
    this.peakMegabytes.set(name, peakMegabytes);
    return seconds;
  }

  /** Seconds of matrix products alone, in the precision of a peer. */
  async productSeconds(name: string, products: number[][]): Promise<number> {
    return (await this.peers.get(name)!.ask<{ seconds: number }>({ products })).seconds;
  }

  close(): void {
    for (const peer of this.peers.values()) peer.stop();
    for (const trainer of this.#trainers.values()) trainer.dispose();
    this.model.dispose();
  }
}

async function floats(model: NativeTransformer): Promise<Map<string, Tensor>> {
  const values = await fromNative(() => model.parameters());
  return new Map(
    model.parameterShapes.map(([name, shape]) => [
      name,
      { shape, data: Float32Array.from(values.get(name)!) },
    ]),
  );
}
