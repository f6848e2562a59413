// A rank as a process of its own, for support/ranks.ts: takes messages {id, name, values} and answers {id, value} or
// {id, error}. What a message names is made of this process's own group and trainer.
import { distributedLibrary, native } from '../../dist/native/binding.js';

let group, model, trainer;

const calls = {
  /** Answers when the process and its native core are there. */
  ready: () => native().info().threads,
  leave() {
    for (const each of [trainer, model, group]) each?.dispose();
    trainer = model = group = undefined;
  },
  async join(options) {
    group = await native().Group.create({ library: distributedLibrary(), ...options });
    return { rank: group.rank, worldSize: group.worldSize };
  },
  sum: (values) => group.sum(values),
  gather: (bytes) => group.gather(bytes),
  broadcast: (bytes) => group.broadcast(bytes),
  fail: (message) => group.fail(message),
  waited: () => group.waitedSeconds(),
  dispose: () => group.dispose(),
  /** Sums without waiting, then leaves. */
  async sumAndDispose(values) {
    const sum = group.sum(values);
    group.dispose();
    return await sum;
  },
  async train({ threads, config, runtime, optimizer, loss, distributed, write }) {
    await native().setThreads(threads);
    model = await native().Transformer.create(config, runtime);
    for (const [name, begin, end, values] of write ?? []) await model.write(name, begin, end, values);
    trainer = await native().Trainer.create(
      model,
      optimizer,
      loss,
      distributed === null ? null : { group, ...distributed },
    );
  },
  /** One after another; on a device the metrics are those of each step as well. */
  async steps(updates, flags = []) {
    const done = [];
    for (const [i, batches] of updates.entries()) {
      const step = await trainer.step(batches, flags[i] ?? 0);
      done.push({ ...step, metrics: step.metrics ?? (await trainer.metrics()) });
    }
    return done;
  },
  counters: () => trainer.counters(),
  parameters: () => model.parameters(),
  exit: () => process.exit(0),
};

process.on('message', async ({ id, name, values }) => {
  try {
    const value = await calls[name](...values);
    process.send({ id, value });
  } catch (error) {
    process.send({ id, error: { code: error.code, message: error.message } });
  }
});
process.on('disconnect', () => process.exit(0));
