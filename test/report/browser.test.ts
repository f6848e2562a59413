import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeReport } from '../../lib/report/report.js';
import { renderTheory } from '../../lib/theory/report.js';
import type { DropoutMoments } from '../../lib/theory/theory.js';
import { makeReportData, makeReportRun } from '../support/report_runs.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
const seeds = [63, 64, 65];
const scores: Record<string, number[]> = {
  uni: [37.34, 37.29, 37.32],
  bi: [37.19, 37.28, 36.97],
  baseline: [35.5, 35.25, 35.1],
};

let directory: string;
let browser: Browser;
let url: string;
/** With more seeds than fit beside each other, and a name that would be a script. */
let hostile: string;
/** The report of a measured model. */
let theory: string;

beforeAll(async () => {
  if (executablePath === undefined) return;
  directory = await mkdtemp(join(tmpdir(), 'rdrop-browser-'));
  const data = join(directory, 'data');
  await makeReportData(data);
  const sweep = join(directory, 'sweep');
  await mkdir(sweep, { recursive: true });
  await writeFile(join(sweep, 'sweep.json'), JSON.stringify({ seeds, directions: Object.keys(scores) }));
  for (const [direction, values] of Object.entries(scores))
    for (const [i, score] of values.entries())
      await makeReportRun(join(sweep, `${direction}-${seeds[i]}`), data, {
        direction,
        seed: seeds[i] as number,
        score,
      });
  url = pathToFileURL((await writeReport(sweep, sweep)).html).href;
  const evil = `"><script>document.title = 'run'</script><img src=x onerror=alert(1)>${'long'.repeat(20)}`;
  const runs = Array.from({ length: 16 }, (_, i) => join(directory, `${i}${evil.replaceAll('/', '')}`));
  for (const [i, path] of runs.entries())
    await makeReportRun(path, data, {
      direction: i % 2 ? evil : 'uni',
      seed: Math.floor(i / 2),
      score: 30 + i / 7,
    });
  hostile = pathToFileURL((await writeReport(runs, join(directory, 'out'))).html).href;
  const measured = new URL('../../benchmarks/results/theory/trained.json', import.meta.url);
  const moments = JSON.parse(await readFile(measured, 'utf8')) as DropoutMoments;
  await writeFile(join(directory, 'theory.html'), (await renderTheory(moments)).html);
  theory = pathToFileURL(join(directory, 'theory.html')).href;
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});
beforeEach((context) => {
  if (executablePath === undefined)
    context.skip('no Chromium at /usr/bin/chromium (apt-get install chromium)');
});

/** Opens a page, does something, and expects no error and nothing loaded. */
async function onPage(
  address: string,
  { width = 1280, javaScriptEnabled = true, dark = false },
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const page = await browser.newPage({
    viewport: { width, height: 900 },
    javaScriptEnabled,
    colorScheme: dark ? 'dark' : 'light',
  });
  const faults: string[] = [];
  page.on('console', (message) => faults.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith('blob:'))
      faults.push(`asked for ${request.url()}`);
  });
  try {
    await page.goto(address);
    await body(page);
    expect(faults).toEqual([]);
  } finally {
    await page.close();
  }
}

/** Elements that reach beyond the page's width, what scrolls or is cut included. As text: these tests know no browser's types. */
const overflowing = (page: Page) =>
  page.evaluate<string[]>(`[...document.querySelectorAll('body *')]
    .filter((element) => {
      const { left, right, width } = element.getBoundingClientRect();
      return width > 0 && (right > innerWidth + 0.5 || left < -0.5);
    })
    .map((element) => element.tagName + ' ' + element.textContent.slice(0, 40))`);

/** Texts of charts that reach beyond their <svg>. */
const cutTexts = (page: Page) =>
  page.evaluate<string[]>(`[...document.querySelectorAll('figure svg text')]
    .filter((element) => {
      const box = element.getBoundingClientRect();
      const frame = element.closest('svg').getBoundingClientRect();
      return box.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1);
    })
    .map((element) => element.textContent)`);

describe('a report in Chromium', () => {
  for (const width of [390, 1280])
    for (const javaScriptEnabled of [true, false])
      it(`fits ${width} pixels ${javaScriptEnabled ? 'with' : 'without'} scripts`, () =>
        onPage(url, { width, javaScriptEnabled }, async (page) => {
          expect(await page.locator('.answer').innerText()).toContain('uni is ahead of bi by 0.17 test BLEU');
          for (const text of ['37.34', 'U = 9, p = 0.100', 'The man reads a <i>paper</i>.', 'metrics.jsonl'])
            expect(await page.getByText(text).first().isVisible()).toBe(true);
          expect(await page.locator('figure svg:visible').count()).toBe(6);
          const bars = page.locator('figure').first().locator('svg:visible text');
          expect(await bars.allTextContents()).toEqual(
            expect.arrayContaining(['uni', 'bi', 'baseline', '37.32', '37.15']),
          );
          expect(await overflowing(page)).toEqual([]);
          expect(await cutTexts(page)).toEqual([]);
        }));

  it('shows the value under the mouse, in the strip of the metric and on a curve', () =>
    onPage(url, {}, async (page) => {
      const strip = page.locator('figure').first();
      await strip.locator('.live path[fill="#0087d0"]').first().hover({ force: true });
      await expect
        .poll(() => strip.locator('.tip').innerText())
        .toMatch(/^uni, seed 6[345]: 37\.(34|29|32)$/);
      const curve = page.locator('figure').nth(1);
      await curve.scrollIntoViewIfNeeded();
      const box = (await curve.locator('.live').boundingBox())!;
      await page.mouse.move(box.x + 250, box.y + 200);
      const tip = () => curve.locator('.tip').innerText();
      await expect.poll(tip).toMatch(/^update \d,?\d*00\n/);
      const told = await tip();
      expect(told).toMatch(/uni \d+\.\d+\nseed 63: \d+\.\d+ · seed 64: \d+\.\d+ · seed 65: \d+\.\d+/);
      // The value is that of the file: 2 · (12 exp(-update / 900) + 4 + seed / 1000 + α / 100).
      const update = Number(/^update ([\d,]+)/.exec(told)?.[1]?.replace(',', ''));
      const expected = 2 * (12 * Math.exp(-update / 900) + 4 + 0.064 + 0.05);
      expect(Number(/uni ([\d.]+)/.exec(told)?.[1])).toBeCloseTo(expected, 3);
    }));

  it('switches the lines of a condition by its name, and zooms', () =>
    onPage(url, {}, async (page) => {
      const figure = page.locator('figure').nth(1);
      const lines = () => figure.locator('.live path[stroke="#e66100"]').count();
      const before = await lines();
      expect(before).toBeGreaterThan(4);
      const button = figure.getByRole('button', { name: 'bi' });
      await button.click();
      expect(await button.getAttribute('aria-pressed')).toBe('false');
      await expect.poll(lines).toBe(0);
      await button.click();
      await expect.poll(lines).toBe(before);
      await figure.scrollIntoViewIfNeeded();
      const box = (await figure.locator('.live').boundingBox())!;
      const ticks = () => figure.locator('.live text').allTextContents();
      const unzoomed = await ticks();
      await page.mouse.move(box.x + 250, box.y + 200);
      await page.keyboard.down('Control');
      await page.mouse.wheel(0, -300);
      await page.keyboard.up('Control');
      await expect.poll(ticks).not.toEqual(unzoomed);
    }));

  it('sorts a table by a column, up, down and back, and saves it as CSV', () =>
    onPage(url, {}, async (page) => {
      const table = page.locator('table', { has: page.locator('caption', { hasText: /^Runs/ }) });
      const column = () => table.locator('tbody tr td:nth-child(3)').allInnerTexts();
      const original = await column();
      const values = original.map(Number);
      const head = table.getByRole('button', { name: /^test BLEU/ });
      await head.click();
      expect((await column()).map(Number)).toEqual([...values].sort((a, b) => a - b));
      await head.click();
      expect((await column()).map(Number)).toEqual([...values].sort((a, b) => b - a));
      await head.click();
      expect(await column()).toEqual(original);
      const download = page.waitForEvent('download');
      await table.getByRole('button', { name: 'CSV' }).click();
      const saved = await download;
      expect(saved.suggestedFilename()).toBe('runs.csv');
      const [heads, first] = (await readFile(await saved.path(), 'utf8')).split('\r\n');
      expect(heads).toMatch(/^run,state,test BLEU,/);
      expect(first).toMatch(/^uni-63,finished,37\.34,38\.34,.*"36,741,120"$/);
    }));

  it('follows dark and light', () =>
    onPage(url, { dark: true }, async (page) => {
      const colors = await page.evaluate<string[]>(`[
        getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector('.live svg text')).fill,
      ]`);
      expect(colors[0]).toBe('rgb(22, 22, 22)');
      const brightness = /\d+/.exec(colors[1] as string)?.[0];
      expect(Number(brightness)).toBeGreaterThan(150);
    }));

  it('prints on paper what it shows, cutting nothing', () =>
    onPage(url, {}, async (page) => {
      // A4 without margins of 15 mm, at 96 pixels an inch.
      await page.setViewportSize({ width: 680, height: 1000 });
      await page.emulateMedia({ media: 'print' });
      expect(await overflowing(page)).toEqual([]);
      expect(await page.locator('.live:visible').count()).toBe(0);
      expect(await page.locator('.static svg:visible').count()).toBe(6);
      expect((await page.pdf({ format: 'A4' })).subarray(0, 5).toString()).toBe('%PDF-');
    }));

  for (const width of [390, 1280])
    it(`holds hostile and long names as text, at ${width} pixels`, () =>
      onPage(hostile, { width }, async (page) => {
        expect(await page.title()).toMatch(/^R-Drop report: /);
        expect(await page.locator('img').count()).toBe(0);
        expect(await page.locator('.answer').innerText()).toContain(
          "<script>document.title = 'run'</script>",
        );
        expect(await overflowing(page)).toEqual([]);
        const links = await page.evaluate<string[]>(
          "[...document.querySelectorAll('.files a')].map((link) => link.href)",
        );
        expect(links).toHaveLength(16 * 5);
        for (const link of links) expect(existsSync(fileURLToPath(link))).toBe(true);
      }));

  for (const width of [390, 1280])
    it(`shows the theory at ${width} pixels, with values under the mouse`, () =>
      onPage(theory, { width }, async (page) => {
        expect(await overflowing(page)).toEqual([]);
        expect(await cutTexts(page)).toEqual([]);
        const ratios = page.locator('figure').nth(1);
        await ratios.locator('.live path[fill="#0087d0"]').first().hover({ force: true });
        await expect
          .poll(() => ratios.locator('.tip').innerText())
          .toMatch(/^embeddings: 1\.046, 95 % interval 1\.014 to 1\.079$/);
      }));
});
