// Stands in for lib/sweep/trial.ts where only the sweep is tested: "trains" 3 updates, each in a moment, and
// writes what a run directory holds. The file behavior.json beside the sweep's directory makes a trial misbehave.
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const tell = (message) => new Promise((resolve) => process.send(message, resolve));
let aborted = false;

const hashes = (directory) =>
  Object.fromEntries(
    readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(directory, name)))
          .digest('hex'),
      ]),
  );

async function train({ config, resume, pauseAt }) {
  const directory = config.runDirectory;
  const name = basename(directory);
  const behaviorFile = [dirname(dirname(directory)), dirname(dirname(dirname(directory)))]
    .map((place) => join(place, 'behavior.json'))
    .find((file) => existsSync(file));
  const behavior = behaviorFile ? JSON.parse(readFileSync(behaviorFile, 'utf8'))[name] : undefined;
  const last = join(directory, 'checkpoints', 'last');
  const stateFile = join(last, 'state.json');
  let update = 0;
  if (resume) update = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')).update : 0;
  else {
    if (existsSync(directory)) throw new Error(`${directory} is there`);
    mkdirSync(last, { recursive: true });
    writeFileSync(join(directory, 'environment.json'), JSON.stringify({ data: hashes(config.data) }));
    writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  }
  const first = update + 1;
  // A trial of a search trains to its own limit, and is validated where it pauses and at its end.
  const scores = behaviorFile ? JSON.parse(readFileSync(behaviorFile, 'utf8')).validBleu?.[name] : undefined;
  const updates = behavior === 'long' ? 1000 : scores ? (pauseAt ?? config.maxUpdates) : 3;
  while (update < updates) {
    if (aborted) {
      await tell({ type: 'aborted' });
      process.disconnect();
      return;
    }
    await sleep(behavior === 'slow' ? 300 : behavior === 'long' ? 50 : 10);
    update += 1;
    if (behavior === 'crash' && update === 2) {
      process.stderr.write('the fake trial dies of update 2\n');
      process.exit(7);
    }
    if (behavior === 'alarm' && update === 2 && !resume) process.kill(process.pid, 'SIGALRM');
    if (behavior === 'hard' && update === 2) process.kill(process.pid, 'SIGKILL');
    if (behavior !== 'early') writeFileSync(stateFile, JSON.stringify({ update }));
    const line = { type: 'train', update };
    appendFileSync(join(directory, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
    await tell({ type: 'event', event: line });
  }
  if (scores) {
    const bleu = scores[String(update)];
    const line = { type: 'validation', update, loss: 5, bleu };
    appendFileSync(join(directory, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
  }
  if (behavior === 'error') {
    await tell({ type: 'failed', code: 'NON_FINITE', message: 'row 3 of the logits' });
  } else if (pauseAt !== undefined) {
    await tell({ type: 'finished' });
  } else {
    const { direction, alpha } = config.loss;
    const result = { seed: config.seed, direction, alpha, updates: update, first, threads: config.threads };
    mkdirSync(join(directory, 'hypotheses'), { recursive: true });
    writeFileSync(join(directory, 'hypotheses', 'test.en'), 'a translation\n');
    writeFileSync(join(directory, 'result.json'), JSON.stringify(result));
    await tell({ type: 'finished' });
  }
  process.disconnect();
}

process.on('message', (message) => {
  if (message.type === 'start') void train(message);
  else if (message.type === 'abort') aborted = true;
});
process.once('disconnect', () => process.exit());
void tell({ type: 'ready' });
