// What a native trainer continues from, whole.
import type {
  FloatArray,
  Moment,
  NativeCounters,
  NativeTrainer,
  NativeTransformer,
} from '../../lib/native/contract.js';

export interface TrainerState {
  counters: NativeCounters;
  moments: Record<Moment, Map<string, FloatArray>>;
}

const sizes = (model: NativeTransformer) =>
  model.parameterShapes.map(([name, shape]) => [name, shape.reduce((a, b) => a * b, 1)] as const);

export async function trainerState(trainer: NativeTrainer, model: NativeTransformer): Promise<TrainerState> {
  const counters = await trainer.counters();
  const moments = { first: new Map<string, FloatArray>(), second: new Map<string, FloatArray>() };
  for (const moment of ['first', 'second'] as const) {
    for (const [name, size] of sizes(model)) {
      moments[moment].set(name, await trainer.readMoment(moment, name, 0, size));
    }
  }
  return { counters, moments };
}

export async function setTrainerState(
  trainer: NativeTrainer,
  { counters, moments }: TrainerState,
): Promise<void> {
  for (const moment of ['first', 'second'] as const) {
    for (const [name, values] of moments[moment]) {
      await trainer.writeMoment(moment, name, 0, values.length, values);
    }
  }
  await trainer.setCounters(counters);
}
