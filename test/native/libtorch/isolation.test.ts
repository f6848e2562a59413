// Whatever is started or opened comes from where the user has put it, never from the directory that they happen to be in.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { findPeerPython } from '../../../lib/benchmark/peer_process.js';
import { packageRoot } from '../../../lib/native/binding.js';
import { libraryFromHere } from '../../../lib/native/libtorch/loader_path.js';
import { cacheDirectory, probeLibtorch } from '../../../lib/native/libtorch/probe.js';
import { childEnvironment, onPath } from '../../../lib/util/programs.js';
import { pythonCode } from '../../../lib/util/python.js';
import { fakeLibtorch } from '../../support/fake_libtorch.js';
import { scratchDirectory } from '../../support/scratch.js';

const main = join(packageRoot, 'dist/cli/main.js');
const python = onPath('python3');

/** A directory that somebody else has prepared: each file leaves a trace when it is run. */
function trap() {
  const directory = scratchDirectory();
  const trace = join(directory, 'trace');
  const code = `open(${JSON.stringify(trace)}, 'a').write(__file__ + '\\n')\n`;
  for (const module of [
    'pip',
    'torch',
    'runpy',
    'site',
    'importlib',
    'json',
    'usercustomize',
    'sitecustomize',
  ]) {
    mkdirSync(join(directory, module));
    writeFileSync(join(directory, module, '__init__.py'), code);
    writeFileSync(join(directory, module, '__main__.py'), code);
  }
  fakeLibtorch(join(directory, 'torch'));
  for (const program of ['python3', 'git', 'cmake', 'node'])
    writeFileSync(join(directory, program), `#!/bin/sh\necho ${program} >> '${trace}'\n`, { mode: 0o755 });
  return { directory, sprung: () => existsSync(trace) };
}

const hostile: [string, Record<string, string>][] = [
  ['an empty entry in PATH', { PATH: `${delimiter}${process.env['PATH']}` }],
  ['a relative entry in PATH', { PATH: `.${delimiter}${process.env['PATH']}` }],
  ['an empty entry in PYTHONPATH', { PYTHONPATH: delimiter }],
  ['a relative PYTHONPATH', { PYTHONPATH: '.' }],
  ['a relative PYTHONUSERBASE', { PYTHONUSERBASE: '.' }],
  ['a relative PYTHONHOME', { PYTHONHOME: '.' }],
  ['the torch of Python asked for', { LIBTORCH_USE_PYTORCH: '1' }],
];
const all = Object.assign({}, ...hostile.map(([, env]) => env)) as Record<string, string>;

// Each by itself where there is time.
test.each<[string, Record<string, string>]>([
  ['an ordinary environment', {}],
  ['everything below at once', all],
  ...(process.env['RDROP_TEST_LONG'] ? hostile : []),
])('doctor runs nothing of the current directory: %s', (_, more) => {
  if (python === null) throw new Error('these tests need python3');
  const { directory, sprung } = trap();
  const cache = join(scratchDirectory(), 'cache');
  const env = { ...process.env, RDROP_CACHE: cache, RDROP_LIBTORCH: '', LIBTORCH: '', ...more };
  const rdrop = (...args: string[]) =>
    spawnSync(process.execPath, [main, ...args], { cwd: directory, env, encoding: 'utf8' });
  const { stdout } = rdrop('doctor', '--json');
  expect(stdout).not.toContain(join(directory, 'torch'));
  expect(sprung()).toBe(false);
});

test('setup runs no pip of the current directory', () => {
  const { directory, sprung } = trap();
  // No index and no file answers, so that nothing is downloaded.
  const offline = { PIP_NO_INDEX: '1', PIP_CONFIG_FILE: '/dev/null', PIP_FIND_LINKS: '' };
  const env = { ...process.env, RDROP_CACHE: join(scratchDirectory(), 'cache'), ...offline };
  const { stdout } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `globalThis.fetch = () => { throw new Error('no network') };
      const { setup } = await import(${JSON.stringify(join(packageRoot, 'dist/native/libtorch/setup.js'))});
      await setup().catch(({ code }) => console.log(code));`,
    ],
    { cwd: directory, env, encoding: 'utf8' },
  );
  expect(stdout).toMatch(/^(LIBTORCH_DOWNLOAD|TOOL_MISSING)$/m);
  expect(sprung()).toBe(false);
});

test('translate opens no torch of the current directory', () => {
  const { directory, sprung } = trap();
  const env = { ...process.env, LIBTORCH_USE_PYTORCH: '1' };
  const { stderr, status } = spawnSync(process.execPath, [main, 'translate', '--run', directory], {
    cwd: directory,
    env,
    encoding: 'utf8',
    input: 'a\n',
  });
  expect(status).toBe(1);
  expect(stderr).not.toContain(join(directory, 'torch'));
  expect(sprung()).toBe(false);
});

test('the peers of benchmarks: neither is a Python of the current directory', async () => {
  const { directory, sprung } = trap();
  const before = process.cwd();
  const path = process.env['PATH'];
  try {
    process.chdir(directory);
    process.env['PATH'] = `${delimiter}${path}`;
    const found = await findPeerPython(undefined);
    expect(found.path ?? found.missing).not.toContain(directory);
    process.env['RDROP_PYTHON'] = './python3';
    expect(await findPeerPython(undefined)).toEqual({
      path: null,
      missing: 'RDROP_PYTHON: expected an absolute path or a name, got ./python3',
    });
  } finally {
    process.chdir(before);
    process.env['PATH'] = path;
    delete process.env['RDROP_PYTHON'];
  }
  expect(sprung()).toBe(false);
});

test('packages of PYTHONPATH, of the user and of a virtual environment are found, in the usual order', () => {
  if (python === null) throw new Error('these tests need python3');
  const directory = scratchDirectory();
  const module = (path: string, name: string) => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, `${name}.py`), '');
    return path;
  };
  const where = (program: string, name: string, env: NodeJS.ProcessEnv) =>
    spawnSync(program, pythonCode(`import ${name}; print(${name}.__file__)`), {
      cwd: directory,
      env: { ...process.env, ...env },
      encoding: 'utf8',
    }).stdout.trim();
  module(directory, 'rdrop_home');
  expect(where(python, 'rdrop_home', {})).toBe('');

  const listed = module(join(directory, 'listed'), 'rdrop_home');
  expect(where(python, 'rdrop_home', { PYTHONPATH: `relative${delimiter}${listed}` })).toBe(
    join(listed, 'rdrop_home.py'),
  );

  const base = join(directory, 'base');
  const site = spawnSync(python, ['-c', 'import site; print(site.getusersitepackages())'], {
    env: { ...process.env, PYTHONUSERBASE: base },
    encoding: 'utf8',
  }).stdout.trim();
  module(site, 'rdrop_home');
  expect(where(python, 'rdrop_home', { PYTHONUSERBASE: base })).toBe(join(site, 'rdrop_home.py'));
  expect(where(python, 'rdrop_home', { PYTHONUSERBASE: base, PYTHONPATH: listed })).toContain(listed);
  expect(where(python, 'rdrop_home', { PYTHONUSERBASE: base, PYTHONNOUSERSITE: '1' })).toBe('');

  const venv = join(directory, 'venv');
  expect(spawnSync(python, ['-m', 'venv', '--without-pip', venv]).status).toBe(0);
  const own = spawnSync(
    join(venv, 'bin/python'),
    ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'],
    {
      encoding: 'utf8',
    },
  ).stdout.trim();
  expect(where(join(venv, 'bin/python'), 'rdrop_home', { PYTHONUSERBASE: base })).toBe('');
  module(own, 'rdrop_home');
  expect(where(join(venv, 'bin/python'), 'rdrop_home', {})).toBe(join(own, 'rdrop_home.py'));
});

test('a relative RDROP_LIBTORCH, LIBTORCH or RDROP_CACHE, and an empty HOME, mean no directory here', () => {
  const { directory } = trap();
  const before = process.cwd();
  try {
    process.chdir(directory);
    for (const name of ['RDROP_LIBTORCH', 'LIBTORCH'] as const) {
      const { libtorch, probes } = probeLibtorch({ env: { [name]: 'torch', HOME: directory, PATH: '' } });
      expect(libtorch).toBeNull();
      expect(probes.at(-1)).toMatchObject({
        source: name,
        detail: expect.stringContaining('expected an absolute path'),
      });
    }
    expect(() => cacheDirectory({ RDROP_CACHE: 'cache' })).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('RDROP_CACHE: expected an absolute path, got "cache"'),
      }),
    );
    expect(probeLibtorch({ env: { RDROP_CACHE: 'cache', PATH: '' } }).libtorch).toBeNull();
    for (const home of ['', 'relative'])
      expect(cacheDirectory({ HOME: home })).toMatch(/^\/.+\/\.cache\/rdrop$/);
  } finally {
    process.chdir(before);
  }
});

test('a library of the current directory is refused before the dynamic loader can take it', () => {
  const { directory } = trap();
  const env = { ...process.env, LD_LIBRARY_PATH: `/nonexistent${delimiter}` };
  const info = () =>
    spawnSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `
        const { native } = await import(${JSON.stringify(join(packageRoot, 'dist/native/binding.js'))});
        try { console.log(native().info().threads > 0) } catch ({ code, message }) { console.log(code, message) }`,
      ],
      { cwd: directory, env, encoding: 'utf8' },
    ).stdout;
  expect(info()).toBe('true\n');
  writeFileSync(join(directory, 'libgomp.so.1'), 'whatever it is');
  expect(info()).toMatch(/^LIBTORCH_UNUSABLE LD_LIBRARY_PATH=.*its empty entry means .*libgomp\.so\.1/);
  expect(libraryFromHere(`/usr/lib${delimiter}/lib`)).toBeNull();
});

test('programs are found in absolute directories alone, and what they are given holds no others', () => {
  const { directory } = trap();
  const before = process.cwd();
  try {
    process.chdir(directory);
    expect(onPath('python3', { PATH: `.${delimiter}${delimiter}bin` })).toBeNull();
    expect(onPath('python3', { PATH: `.${delimiter}${directory}` })).toBe(join(directory, 'python3'));
  } finally {
    process.chdir(before);
  }
  mkdirSync(join(directory, 'bin/cmake'), { recursive: true });
  expect(onPath('cmake', { PATH: join(directory, 'bin') })).toBeNull();
  expect(childEnvironment({ PATH: `:/usr/bin:.`, LD_LIBRARY_PATH: ':', CPATH: '/a:b', OTHER: ':' })).toEqual({
    PATH: '/usr/bin',
    CPATH: '/a',
    OTHER: ':',
  });
});

test('a prebuilt addon that a variable names by a relative path is not looked for', () => {
  const directory = scratchDirectory();
  mkdirSync(join(directory, 'evil/build/Release'), { recursive: true });
  copyFileSync(join(packageRoot, 'package.json'), join(directory, 'package.json'));
  symlinkSync(
    join(packageRoot, 'build/Release/rdrop.node'),
    join(directory, 'evil/build/Release/rdrop.node'),
  );
  const { stdout } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `
      const { findAddon } = await import(${JSON.stringify(join(packageRoot, 'dist/native/addon.js'))});
      try { console.log(findAddon()) } catch ({ code, message }) { console.log(code, message) }`,
    ],
    { cwd: directory, env: { ...process.env, RDROP_PREBUILD: 'evil' }, encoding: 'utf8' },
  );
  expect(stdout).toContain('ADDON_NOT_FOUND RDROP_PREBUILD: expected an absolute path, got "evil"');
});
