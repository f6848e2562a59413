// Stands in for lib/sweep/trial.ts where only the sweep is tested: "trains" 3 updates, each in a moment, and
// writes what a run directory holds. The file behavior.json beside the sweep's directory makes a trial misbehave.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const tell = (message) => new Promise((resolve) => process.send(message, resolve));
let aborted = false;

async function train({ config, resume }) {
  const directory = config.runDirectory;
  const name = basename(directory);
  const behaviorFile = join(dirname(dirname(directory)), 'behavior.json');
  const behavior = existsSync(behaviorFile)
    ? JSON.parse(readFileSync(behaviorFile, 'utf8'))[name]
    : undefined;
  const last = join(directory, 'checkpoints', 'last');
  const stateFile = join(last, 'state.json');
  let update = 0;
  if (resume) update = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')).update : 0;
  else {
    if (existsSync(directory)) throw new Error(`${directory} is there`);
    mkdirSync(last, { recursive: true });
    writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  }
  const first = update + 1;
  while (update < 3) {
    if (aborted) {
      await tell({ type: 'aborted' });
      process.disconnect();
      return;
    }
    await sleep(behavior === 'slow' ? 300 : 10);
    update += 1;
    if (behavior === 'crash' && update === 2) {
      process.stderr.write('the fake trial dies of update 2\n');
      process.exit(7);
    }
    if (behavior === 'hard' && update === 2) process.kill(process.pid, 'SIGKILL');
    if (behavior !== 'early') writeFileSync(stateFile, JSON.stringify({ update }));
    await tell({ type: 'event', event: { type: 'train', update } });
  }
  if (behavior === 'error') {
    await tell({ type: 'failed', code: 'NON_FINITE', message: 'row 3 of the logits' });
  } else {
    const { direction, alpha } = config.loss;
    const result = { seed: config.seed, direction, alpha, updates: update, first, threads: config.threads };
    writeFileSync(join(directory, 'result.json'), JSON.stringify(result));
    await tell({ type: 'finished' });
  }
  process.disconnect();
}

process.on('message', (message) => {
  if (message.type === 'start') void train(message);
  else aborted = true;
});
process.once('disconnect', () => process.exit());
void tell({ type: 'ready' });
