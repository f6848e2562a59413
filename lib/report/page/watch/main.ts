/** The live page: what the server sends, as a table, curves and the details of one run. */
import type { RunDetails, RunRow, SweepRow, WatchEvent } from '../../watch/messages.js';
import type * as Charts from '../main.js';
import { CurveFigures } from './curve_figures.js';
import { drawDetails } from './details.js';
import { byId, made, write } from './dom.js';
import { Model } from './model.js';
import { RunTable } from './run_table.js';
import { counted, duration } from './words.js';

/** Milliseconds between two drawings, and after which a connection without a sign of life is made anew. */
const pause = 300;
const silence = 30_000;

// A file of its own beside this one, which reports use as well. The table does not wait for it.
const charts = import(new URL('echarts.js', import.meta.url).href) as Promise<typeof Charts>;
const model = new Model(() => draw());
let figures: CurveFigures | null = null;
const table = new RunTable(model, {
  onTick: () => {
    void model.load();
    draw();
  },
  onChoose: (id) => {
    model.choose(id);
    draw();
    void showDetails().then(() => byId('details').focus());
  },
});

let due = false;
/** Whether the curves that are shown first are there. */
let loaded = false;
function draw(): void {
  if (due) return;
  due = true;
  setTimeout(
    () => {
      due = false;
      table.draw();
      figures?.draw();
      drawAnswer();
      if (loaded) document.body.dataset['ready'] = 'true';
    },
    document.body.dataset['ready'] === undefined ? 0 : pause,
  );
}

function drawAnswer(): void {
  const rows = [...model.runs.values()];
  const states = ['running', 'failed', 'interrupted', 'waiting', 'finished', 'dropped'] as const;
  const counts = states.map((state) => [rows.filter((run) => run.state === state).length, state] as const);
  const parts = counts.filter(([count]) => count > 0).map(([count, state]) => `${count} ${state}`);
  const finished = rows.length > 0 && rows.every(({ state }) => state === 'finished');
  const all = rows.length === 1 ? 'The run is finished.' : `All ${rows.length} runs are finished.`;
  write(
    byId('answer'),
    finished
      ? all
      : rows.length === 0
        ? 'No run yet.'
        : `${counted(rows.length, 'run')}: ${parts.join(', ')}.`,
  );
  const list = byId('sweeps');
  list.hidden = model.sweeps.length === 0;
  list.replaceChildren(...model.sweeps.map((sweep) => made('li', {}, sweepText(sweep, rows))));
}

/** Trials that have begun, and the time of all that are left if those that run now show how long one takes. */
function sweepText({ id, name, planned }: SweepRow, rows: readonly RunRow[]): string {
  const own = rows.filter(({ sweep }) => sweep === id);
  const of = (state: RunRow['state']) => own.filter((run) => run.state === state);
  const waiting = Math.max(0, planned - own.length) + of('waiting').length;
  const running = of('running');
  const times = own.flatMap(({ seconds, progress }) =>
    progress !== null && progress > 0.02 ? [seconds / progress] : [],
  );
  const usual = times.reduce((sum, each) => sum + each, 0) / Math.max(1, times.length);
  const left = running.reduce((sum, { secondsLeft }) => sum + (secondsLeft ?? usual), 0) + usual * waiting;
  const time =
    running.length === 0 || times.length === 0 ? '' : `; about ${duration(left / running.length)} left`;
  const others = [
    [running.length, 'running'],
    [of('failed').length, 'failed'],
    [of('interrupted').length, 'interrupted'],
    [of('dropped').length, 'dropped by halving'],
    [waiting, 'not begun'],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
  const title = name === '.' ? 'sweep' : `sweep ${name}`;
  return `${title}: ${of('finished').length} of ${counted(planned, 'trial')} finished${others.map((each) => `, ${each}`).join('')}${time}`;
}

let asked = 0;
async function showDetails(): Promise<void> {
  if (model.chosen === null && model.runs.size === 1) model.chosen = [...model.runs.keys()][0]!;
  const run = model.chosen === null ? undefined : model.runs.get(model.chosen);
  if (run === undefined) return;
  asked += 1;
  const mine = asked;
  const answer = await fetch(`details?run=${encodeURIComponent(run.id)}`).catch(() => null);
  // Another may have been asked for meanwhile.
  if (answer?.ok && mine === asked)
    drawDetails(model.runs.get(run.id) ?? run, (await answer.json()) as RunDetails);
}

let heard = Date.now();
let source: EventSource | null = null;

function connect(): void {
  source?.close();
  source = new EventSource('events');
  const connection = byId('connection');
  const tell = (text: string, lost: boolean) => {
    write(connection, text);
    connection.classList.toggle('lost', lost);
  };
  heard = Date.now();
  source.addEventListener('open', () => tell('live', false));
  source.addEventListener('error', () => tell('no connection to rdrop watch; trying again', true));
  const on = <T>(type: string, does: (data: T) => void) =>
    source!.addEventListener(type, (event) => {
      heard = Date.now();
      does(JSON.parse((event as MessageEvent<string>).data) as T);
    });
  type Of<K extends WatchEvent['type']> = Extract<WatchEvent, { type: K }>;
  on('beat', () => {});
  on<{ runs: RunRow[]; sweeps: SweepRow[] }>('hello', ({ runs, sweeps }) => {
    model.runs.clear();
    for (const run of runs) model.runs.set(run.id, run);
    model.sweeps = sweeps;
    model.forget();
    void showDetails();
    draw();
    void Promise.all([charts, model.load()]).then(([{ startChart }]) => {
      figures ??= new CurveFigures(model, startChart);
      loaded = true;
      draw();
    });
  });
  on<Of<'run'>>('run', ({ run }) => {
    model.runs.set(run.id, run);
    void model.load();
    if (run.id === model.chosen || model.runs.size === 1) void showDetails();
    draw();
  });
  on<Of<'lines'>>('lines', ({ id, generation, lines }) => void model.add(id, generation, lines));
  on<Of<'gone'>>('gone', ({ id }) => {
    model.runs.delete(id);
    draw();
  });
  on<Of<'sweeps'>>('sweeps', ({ sweeps }) => {
    model.sweeps = sweeps;
    draw();
  });
}

// After sleep a connection may be dead without having ended; and after an answer that is none it is not tried again by itself.
setInterval(() => {
  if (source?.readyState === EventSource.CLOSED || Date.now() - heard > silence) connect();
}, 2000);
connect();
