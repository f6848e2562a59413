import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Watch, watch } from '../../lib/report/watch/watch.js';
import type { TrainEvent } from '../../lib/training/train_events.js';
import { Trainer } from '../../lib/training/trainer.js';
import { makeReportData, makeReportRun } from '../support/report_runs.js';
import { makeReversalData, tinyOptions, workplace } from '../training/tiny_run.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

let place: Awaited<ReturnType<typeof workplace>>;
let root: string;
let data: string;
let browser: Browser;

beforeAll(async () => {
  if (executablePath === undefined) return;
  place = await workplace();
  root = join(place.path, 'runs');
  data = join(place.path, 'data');
  await makeReversalData(data);
  await makeReportData(join(place.path, 'told'));
  const run = { direction: 'bi', seed: 1, score: 31 };
  await makeReportRun(join(root, `old <img src=x onerror=alert(1)>`), join(place.path, 'told'), run);
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await place?.remove();
});
beforeEach((context) => {
  if (executablePath === undefined)
    context.skip('no Chromium at /usr/bin/chromium (apt-get install chromium)');
});

/** Opens the page, does something, and expects no error and nothing asked of another server. */
async function onPage(served: Watch, body: (page: Page, faults: string[]) => Promise<void>, dark = false) {
  const page = await browser.newPage({ colorScheme: dark ? 'dark' : 'light' });
  const faults: string[] = [];
  page.on('console', (message) => faults.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(served.url) && !request.url().startsWith('data:'))
      faults.push(`asked for ${request.url()}`);
  });
  try {
    await page.goto(served.url);
    await page.locator('body[data-ready]').waitFor();
    await body(page, faults);
    expect(faults).toEqual([]);
  } finally {
    await page.close();
  }
}

const pointsOf = async (page: Page, curve: string) =>
  Number(
    (await page
      .locator(`[data-curve="${curve}"]`)
      .getAttribute('data-points')
      .catch(() => null)) ?? 0,
  );

describe('the live page in Chromium', () => {
  it('shows a run while it trains, its curves growing, and says when it is finished', async () => {
    const options = tinyOptions(data, join(root, 'live'));
    const validation = { ...options.validation, metric: 'bleu' as const };
    using trainer = await Trainer.create({ ...options, maxUpdates: 40, validation });
    const events = trainer.fit();
    const until = async (fits: (event: TrainEvent) => boolean) => {
      for (;;) {
        const { value, done } = await events.next();
        if (done || fits(value)) return;
      }
    };
    await until(({ type }) => type === 'checkpoint');
    await using served = await watch(root);
    await onPage(served, async (page) => {
      const row = page.getByRole('row', { name: /live/ });
      await expect.poll(() => row.innerText()).toMatch(/running[\s\S]*25 %/);
      expect(await row.innerText()).toMatch(new RegExp(`process ${process.pid} on `));
      expect(await row.innerText()).toMatch(/\d+ MiB|GiB/);
      await expect.poll(() => pointsOf(page, 'loss')).toBe(30 + 1);
      // The curves of the other run, and of this one.
      await expect.poll(() => pointsOf(page, 'score')).toBe(30 + 1);
      const before = await pointsOf(page, 'score');
      await page.getByRole('button', { name: 'live' }).click();
      const details = page.locator('#details');
      await expect.poll(() => details.innerText()).toMatch(/Translations of the validation at update 10/);
      expect(await details.locator('.sample').count()).toBe(8);
      const names = await details.locator('.sample').first().locator('dt').allInnerTexts();
      expect(names).toEqual(['source', 'reference', 'translation']);
      const source = (await readFile(join(data, 'raw', 'valid.de'), 'utf8')).split('\n');
      const [, line] = /sentence (\d+)/.exec(await details.locator('.sample').first().innerText()) ?? [];
      expect(await details.locator('.sample dd').first().innerText()).toBe(source[Number(line) - 1]);
      // A zoom stays while points are added.
      const chart = page.locator('[data-curve=loss]');
      const ticks = async () => (await chart.locator('.live text').allTextContents()).join(' ');
      const reset = chart.getByRole('button', { name: 'Reset zoom of Training loss' });
      expect(await reset.count()).toBe(0);
      const whole = await ticks();
      await chart.scrollIntoViewIfNeeded();
      const box = (await chart.locator('.live').boundingBox())!;
      await page.mouse.move(box.x + 60, box.y + 150);
      await page.keyboard.down('Control');
      await page.mouse.wheel(0, -400);
      await page.keyboard.up('Control');
      await reset.waitFor();
      const zoomed = await ticks();
      expect(zoomed).not.toBe(whole);
      expect(await details.innerText()).toMatch(/update 10, validation: loss \d/);
      await until(({ type, update }) => type === 'checkpoint' && update === 30);
      await expect.poll(() => pointsOf(page, 'loss'), { timeout: 10_000 }).toBe(30 + 3);
      await expect.poll(() => pointsOf(page, 'score'), { timeout: 10_000 }).toBe(before + 2);
      await expect.poll(() => details.innerText(), { timeout: 5000 }).toMatch(/at update 30/);
      expect(await reset.count()).toBe(1);
      expect((await ticks()).split(' ').at(-2)).toBe(zoomed.split(' ').at(-2));
      await reset.press('Enter');
      await expect.poll(() => reset.count()).toBe(0);
      await expect.poll(ticks).toContain('3,000');
      await page.reload();
      // What was chosen is still.
      await expect.poll(() => details.innerText()).toMatch(/at update 30/);
      await expect.poll(() => pointsOf(page, 'loss')).toBe(30 + 3);
      await until(() => false);
      await expect.poll(() => row.innerText(), { timeout: 10_000 }).toMatch(/finished[\s\S]*100 %/);
      await expect.poll(() => page.locator('#answer').innerText()).toBe('All 2 runs are finished.');
      await expect.poll(() => pointsOf(page, 'loss')).toBe(30 + 4);
    });
  }, 90_000);

  it('has a name for everything that can be clicked, and all is reached by the keyboard', async () => {
    await using served = await watch(root);
    await onPage(served, async (page) => {
      const names = await page.evaluate<string[]>(`[...document.querySelectorAll(
        'button, a, input, select, summary, [tabindex="0"]')].map((element) =>
          (element.getAttribute('aria-label') || element.labels?.[0]?.textContent || element.textContent || '').trim())`);
      expect(names.length).toBeGreaterThanOrEqual(5);
      expect(names.filter((name) => name === '')).toEqual([]);
      const charts = await page.evaluate<string[]>(
        `[...document.querySelectorAll('[role=img]')].map((element) => element.getAttribute('aria-label'))`,
      );
      expect(charts[0]).toMatch(/^Training loss by update: .*live \d+\.?\d* at update \d+/);
      const reached = new Set<string>();
      for (let i = 0; i < 12; i++) {
        await page.keyboard.press('Tab');
        reached.add(
          await page.evaluate<string>(
            `document.activeElement.getAttribute('aria-label') || document.activeElement.id || document.activeElement.textContent`,
          ),
        );
      }
      const old = 'old <img src=x onerror=alert(1)>';
      expect([...reached]).toEqual(
        expect.arrayContaining(['filter', 'Table of runs', 'Show the curves of live', 'live', old]),
      );
      expect(await page.locator('img').count()).toBe(0);
      await page.getByRole('button', { name: 'live' }).press('Enter');
      await expect.poll(() => page.locator('#details-title').innerText()).toBe('live');
      const box = page.getByRole('checkbox', { name: 'Show the curves of live' });
      const both = await pointsOf(page, 'loss');
      await box.press('Space');
      await expect.poll(() => pointsOf(page, 'loss')).toBeLessThan(both);
      await page.locator('#filter').fill('nothing like it');
      await expect.poll(() => page.locator('#runs tbody tr:visible').count()).toBe(0);
    });
  }, 60_000);

  it('says what ended a run, and after which rung a search dropped a trial', async () => {
    const halved = join(root, 'halved');
    const told = join(place.path, 'told');
    for (const seed of [1, 2]) {
      for (const direction of ['uni', 'bi'])
        await makeReportRun(join(halved, `${direction}-${seed}`), told, { direction, seed, score: 30 });
      await rm(join(halved, `bi-${seed}`, 'result.json'));
    }
    const failure = { code: 'NON_FINITE', message: 'the gradient is not finite', update: 3000 };
    await writeFile(join(halved, 'bi-2', 'failure.json'), JSON.stringify(failure));
    const plan = { seeds: [1, 2], directions: ['uni', 'bi'], search: 'halving:2' };
    await writeFile(join(halved, 'sweep.json'), JSON.stringify(plan));
    const scores = ['uni', 'bi'].map((condition) => ({ condition, bleu: 1, loss: 2 }));
    const rungs = { version: 1, rungs: [{ updates: 3000, scores, survivors: ['uni'] }] };
    await writeFile(join(halved, 'rungs.json'), JSON.stringify(rungs));
    await using served = await watch(halved);
    await onPage(served, async (page) => {
      expect(await page.getByRole('row', { name: /bi-1/ }).innerText()).toContain(
        'dropped (halving, rung 1)',
      );
      expect(await page.locator('#answer').innerText()).toBe('4 runs: 1 failed, 2 finished, 1 dropped.');
      expect(await page.locator('#sweeps').innerText()).toBe(
        'sweep: 2 of 4 trials finished, 1 failed, 1 dropped by halving',
      );
      await page.getByRole('button', { name: 'bi-2' }).click();
      const text = () => page.locator('#details').innerText();
      await expect.poll(text).toContain('NON_FINITE: the gradient is not finite');
    });
    await rm(halved, { recursive: true });
  }, 60_000);

  it('follows dark and light', async () => {
    await using served = await watch(root);
    const look = (page: Page) => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    await onPage(served, async (page) => expect(await look(page)).toBe('rgb(22, 22, 22)'), true);
    await onPage(served, async (page) => expect(await look(page)).toBe('rgb(255, 255, 255)'));
  }, 60_000);

  it('goes on where it was when the server starts again', async () => {
    const first = await watch(root);
    const port = Number(new URL(first.url).port);
    await onPage(first, async (page, faults) => {
      await page.getByRole('status').getByText('live').waitFor();
      await first.close();
      await expect.poll(() => page.getByRole('status').innerText()).toMatch(/no connection/);
      const run = { direction: 'uni', seed: 2, score: 32 };
      await makeReportRun(join(root, 'added'), join(place.path, 'told'), run);
      await using second = await watch(root, { port });
      expect(second.url).toBe(first.url);
      await expect.poll(() => page.getByRole('status').innerText(), { timeout: 10_000 }).toBe('live');
      await expect.poll(() => page.getByRole('button', { name: 'added' }).count()).toBe(1);
      // The browser itself says that nobody answered meanwhile.
      faults.splice(0, faults.length, ...faults.filter((text) => !/ERR_(CONNECTION|INCOMPLETE)/.test(text)));
    });
  }, 60_000);
});
