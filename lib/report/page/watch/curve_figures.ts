import type { Chart } from '../../charts/chart.js';
import type { CurveName } from '../../watch/messages.js';
import { byId, made } from './dom.js';
import type { Model } from './model.js';

const curves: { name: CurveName; title: string; unit: string }[] = [
  { name: 'loss', title: 'Training loss', unit: 'bits per target token' },
  { name: 'validLoss', title: 'Validation loss', unit: 'bits per target token' },
  { name: 'score', title: 'Validation score', unit: 'score' },
  { name: 'kl', title: 'KL divergence of the two passes', unit: 'bits per target token' },
  { name: 'learningRate', title: 'Learning rate', unit: '' },
  { name: 'tokensPerSecond', title: 'Tokens a second', unit: 'target tokens' },
];

type StartChart = (figure: HTMLElement, chart: Chart, reset: { of: string }) => (next: Chart) => void;

/** A figure for each curve that some shown run has. */
export class CurveFigures {
  readonly #model: Model;
  readonly #start: StartChart;
  readonly #figures = new Map<CurveName, { place: HTMLElement; update: (next: Chart) => void }>();

  constructor(model: Model, start: StartChart) {
    this.#model = model;
    this.#start = start;
  }

  draw(): void {
    const shown = this.#model.shown();
    const entries = shown.map(({ run, color }) => {
      const swatch = made('span', { class: 'swatch' });
      swatch.style.background = color;
      return made('li', {}, swatch, run.name);
    });
    byId('legend').replaceChildren(...entries);
    const { metric } = this.#model;
    for (const { name, title: usual, unit: usualUnit } of curves) {
      const [title, unit] = [usual, usualUnit].map((text) => text.replace('score', metric)) as [
        string,
        string,
      ];
      const lines = shown.map(({ run }) => this.#model.points(run.id, name));
      const figure = this.#figures.get(name);
      if (lines.every((points) => points.length === 0)) {
        figure?.place.setAttribute('hidden', '');
        continue;
      }
      // The last values, for those who do not see the lines.
      const last = shown.flatMap(({ run }, i) => {
        const [update, value] = lines[i]!.at(-1) ?? [];
        return value === undefined ? [] : [`${run.name} ${Number(value.toPrecision(4))} at update ${update}`];
      });
      const chart: Chart = {
        label: `${title} by update: ${last.join('; ')}`,
        series: shown.map(({ run, color }) => ({ name: run.id, color })),
        panels: [
          {
            kind: 'lines',
            zoom: true,
            x: { title: 'update' },
            y: { title: unit },
            marks: lines.flatMap((points, series) =>
              points.length === 0 ? [] : [{ kind: 'line' as const, series, name: '', strong: true, points }],
            ),
          },
        ],
      };
      if (figure === undefined) this.#make(name, title, chart);
      else {
        figure.place.removeAttribute('hidden');
        figure.update(chart);
      }
      const place = this.#figures.get(name)!.place;
      // How far the curves go, for scripts that look on.
      place.dataset['points'] = String(lines.reduce((sum, { length }) => sum + length, 0));
      place.querySelector('[role=img]')?.setAttribute('aria-label', chart.label);
    }
  }

  #make(name: CurveName, title: string, chart: Chart): void {
    const figure = made('figure');
    const place = made('div', { 'data-curve': name }, made('h3', {}, title), figure);
    const after = curves.slice(curves.findIndex((each) => each.name === name) + 1);
    const next = after.map((each) => this.#figures.get(each.name)?.place).find((each) => each !== undefined);
    byId('curves').insertBefore(place, next ?? null);
    this.#figures.set(name, { place, update: this.#start(figure, chart, { of: title }) });
  }
}
