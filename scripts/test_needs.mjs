// What the test files that a filter names need to have been built: dist/, the addon, the emulated device. A file that starts
// no process and imports neither the addon nor anything outside test/ and lib/ needs nothing but the packages.
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { filesUnder, root } from './steps.mjs';

const source = /\.(ts|mjs|mts|js)$/;
const isTest = (path) => path.endsWith('.test.ts');
/** What opens the addon when it is called. */
const addon = 'lib/native/binding.ts';
const startsProcess = /child_process|worker_threads|dist\/|'dist'|run_command/;

/** Paths relative to a file, that are in quotes; and those of them that it imports. */
const namedPath = /()'(\.{1,2}\/[^']+)'/g;
const importedPath = /(from|import\()\s*'(\.{1,2}\/[^']+)'/g;

/** Files that a file names or imports, of those that exist. */
function referred(path, text, known, pattern = namedPath) {
  return [...text.matchAll(pattern)].flatMap(([, , name]) => {
    const target = normalize(join(dirname(path), name));
    return [target, target.replace(/\.js$/, '.ts')].filter((one) => known.has(one)).slice(0, 1);
  });
}

/** Paths reached from some files through what they refer to, themselves included. */
function reached(paths, files) {
  const found = new Set(paths);
  const next = files.next ?? ((path) => referred(path, files.get(path), files));
  for (const path of found) for (const one of next(path)) found.add(one);
  return found;
}

/** The needs of test files. @param files - {has, get} of paths from the checkout on: a Map, or what reads when asked */
export function needsOfFiles(paths, files) {
  const needs = { everything: false, dist: false, addon: false, emulated: false };
  for (const path of reached(paths, files)) {
    const text = files.get(path);
    const foreign = !path.startsWith('lib/') && !path.startsWith('test/');
    const starts = path.startsWith('test/') && startsProcess.test(text);
    if (foreign || starts) needs.dist = needs.addon = true;
    if (path === addon) needs.addon = true;
    if (path.startsWith('test/') && /emulated|kernel_tests/.test(text)) needs.emulated = true;
  }
  return needs;
}

/** What tests do that measure memory or time of their process, or change what a process has only one of. */
const measures =
  /resourceUsage|memoryUsage|cpuUsage|performance\.|\bvi\.|process\.env(\.\w+|\[[^\]]+\]) \??=[^=]|delete process|chdir/;

/**
 * The test files that may share a process, and what they import with it: those that do not open the addon themselves, measure
 * nothing of their process and change nothing in it. Each costs half a second of a core less than alone.
 */
export function filesThatShare() {
  const files = checkout(importedPath);
  return files.tests.filter((path) => {
    if (path.startsWith('test/cuda/')) return false;
    const all = [...reached([path], files)];
    return !all.some((one) => one === addon || (one.startsWith('test/') && measures.test(files.get(one))));
  });
}

/** What a function gave for a path is kept. */
function remembered(work) {
  const known = new Map();
  return (path) => {
    if (!known.has(path)) known.set(path, work(path));
    return known.get(path);
  };
}

/** The sources of this checkout, and what follows from one to the next. */
function checkout(pattern = namedPath) {
  const paths = new Set(filesUnder(['test', 'lib', 'scripts'], (path) => source.test(path)));
  const files = { has: (path) => paths.has(path), tests: [...paths].filter(isTest) };
  files.get = remembered((path) => readFileSync(join(root, path), 'utf8'));
  files.next = remembered((path) => referred(path, files.get(path), files, pattern));
  return files;
}

/** The needs of vitest's arguments: file filters as vitest takes them, parts of paths. Everything when none names a file. */
export function needsOf(args) {
  const files = checkout();
  const filters = args
    .filter((arg) => !arg.startsWith('-'))
    .map((arg) => arg.replace(root, '').replace(/^\.\//, ''));
  const named = files.tests.filter((path) => filters.some((filter) => path.includes(filter)));
  if (named.length === 0) return { everything: true, dist: true, addon: true, emulated: true };
  return needsOfFiles(named, files);
}
