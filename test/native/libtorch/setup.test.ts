// rdrop setup: what it provides, and that nothing half-written is left when it fails.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { unpack } from '../../../lib/native/libtorch/archive.js';
import { cachedLibtorch, libtorchVersion } from '../../../lib/native/libtorch/probe.js';
import { setup } from '../../../lib/native/libtorch/setup.js';
import { lackingForPip, missingTool, requireTools } from '../../../lib/native/libtorch/tools.js';
import { fakeWheel, members } from '../../support/fake_libtorch.js';
import { scratchDirectory } from '../../support/scratch.js';

function machine() {
  const home = scratchDirectory();
  mkdirSync(join(home, 'bin'));
  const env = { HOME: home, RDROP_CACHE: join(home, 'cache'), PATH: `${join(home, 'bin')}:/usr/bin:/bin` };
  const wheel = (options?: Parameters<typeof fakeWheel>[0]) => {
    const path = join(home, 'torch.whl');
    writeFileSync(path, fakeWheel(options));
    return path;
  };
  /** What lies in the cache, work directories included. */
  const left = () => (existsSync(env.RDROP_CACHE) ? readdirSync(env.RDROP_CACHE) : []);
  return { home, env, wheel, left };
}

/** A server that answers every request with `body`, breaking the connection off after `cut` bytes. */
async function serve(body: Uint8Array, cut = body.length, status = 200): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(status, { 'content-length': body.length });
    response.write(body.subarray(0, cut), () =>
      cut < body.length ? setTimeout(() => response.destroy(), 20) : response.end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/torch.whl`;
}

/** A `python3` whose pip copies a wheel, or runs `instead`; each download adds a line to `calls`. */
function fakePip(home: string, wheel: string, instead = '') {
  const script = `#!/bin/sh
[ "$4" = --version ] && { echo pip 25; exit 0; }
echo "$@" >> '${home}/calls'
${instead}
while [ "$1" != --dest ]; do shift; done
cp '${wheel}' "$2/torch-${libtorchVersion}-cp311-none-linux_x86_64.whl"
`;
  writeFileSync(join(home, 'bin/python3'), script, { mode: 0o755 });
}

test('unpacks a wheel into the cache and uses it the next time', async () => {
  const { env, wheel } = machine();
  const stages = new Set<string>();
  const from = wheel();
  const libtorch = await setup({ env, from, onProgress: ({ stage }) => stages.add(stage) });
  expect(libtorch).toEqual({ source: 'cache', directory: cachedLibtorch(env), version: libtorchVersion });
  for (const [name, text] of Object.entries(members())) {
    expect(readFileSync(join(libtorch.directory, name), 'utf8')).toBe(text);
  }
  expect(existsSync(join(libtorch.directory, '_C.so'))).toBe(false);
  expect(readdirSync(env.RDROP_CACHE)).toEqual([`libtorch-${libtorchVersion}-cpu`]);
  expect([...stages]).toEqual(['verify', 'download', 'unpack'].filter((stage) => stages.has(stage)));
  // The archive is gone, so that only the cache can answer.
  await expect(setup({ env, from: join(env.HOME, 'gone.whl') })).resolves.toEqual(libtorch);
});

test('downloads through pip, once', async () => {
  const { home, env, wheel } = machine();
  fakePip(home, wheel());
  await setup({ env });
  await setup({ env });
  const calls = readFileSync(join(home, 'calls'), 'utf8').trim().split('\n');
  expect(calls.length).toBe(1);
  expect(calls[0]).toContain('-I -m pip download --no-deps');
  expect(calls[0]).toContain(`torch==${libtorchVersion}`);
});

test('two setups at once both end well', async () => {
  const { env, wheel, left } = machine();
  const from = wheel();
  const [one, two] = await Promise.all([setup({ env, from }), setup({ env, from })]);
  expect(one).toEqual(two);
  expect(left()).toEqual([`libtorch-${libtorchVersion}-cpu`]);
});

test('a damaged cache is replaced', async () => {
  const { env, wheel, left } = machine();
  const from = wheel();
  const { directory } = await setup({ env, from });
  writeFileSync(join(directory, 'lib/libtorch_cpu.so'), 'half of it');
  await setup({ env, from });
  expect(readFileSync(join(directory, 'lib/libtorch_cpu.so'), 'utf8')).toBe(members()['lib/libtorch_cpu.so']);
  expect(left()).toEqual([`libtorch-${libtorchVersion}-cpu`]);
});

test('what an earlier, killed setup left is cleared away', async () => {
  const { env, wheel, left } = machine();
  const abandoned = join(env.RDROP_CACHE, '.setup-abc');
  const running = join(env.RDROP_CACHE, '.setup-def');
  for (const path of [abandoned, running]) mkdirSync(path, { recursive: true });
  const longAgo = new Date(Date.now() - 48 * 3600 * 1000);
  utimesSync(abandoned, longAgo, longAgo);
  await setup({ env, from: wheel() });
  expect(left().sort()).toEqual(['.setup-def', `libtorch-${libtorchVersion}-cpu`]);
});

test('what is unpacked where nothing can be made ends in an error', async () => {
  const { wheel } = machine();
  await expect(unpack(wheel(), '/proc/rdrop')).rejects.toMatchObject({
    code: 'FILE_UNWRITABLE',
    message: expect.stringMatching(/^\/proc\/rdrop: .*ENOENT/),
  });
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('an interrupted download leaves nothing', async () => {
  const { env, left } = machine();
  const body = fakeWheel();
  const pin = { env, sha256: sha256(body) };
  await expect(setup({ ...pin, from: await serve(body, 300) })).rejects.toMatchObject({
    code: 'LIBTORCH_DOWNLOAD',
    message: expect.stringMatching(/broke off after \d+ bytes/),
  });
  expect(left()).toEqual([]);
  await expect(setup({ ...pin, from: await serve(body, body.length, 404) })).rejects.toMatchObject({
    code: 'LIBTORCH_DOWNLOAD',
    message: expect.stringContaining('HTTP 404'),
  });
  expect(left()).toEqual([]);
  await expect(setup({ ...pin, from: await serve(body) })).resolves.toMatchObject({
    version: libtorchVersion,
  });
});

test('plain http needs a checksum, in the first address and wherever redirects lead', async () => {
  const { env, left } = machine();
  const body = fakeWheel();
  const from = await serve(body);
  const refused = {
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^http:.*expected https:.*--sha256 HEX/),
  };
  await expect(setup({ env, from })).rejects.toMatchObject(refused);
  await expect(setup({ env, from: from.replace('http:', 'HTTP:') })).rejects.toMatchObject(refused);
  await expect(setup({ env, from: 'ftp://127.0.0.1/torch.whl' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('got ftp:'),
  });
  // What an https server would answer.
  const real = globalThis.fetch;
  const redirect = (...to: string[]) => {
    onTestFinished(() => void vi.unstubAllGlobals());
    vi.stubGlobal('fetch', async (url: URL, options: RequestInit) => {
      expect(options.redirect).toBe('manual');
      const location = to.shift();
      return location === undefined ? real(url) : new Response(null, { status: 302, headers: { location } });
    });
  };
  redirect(from);
  await expect(setup({ env, from: 'https://mirror.invalid/torch.whl' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(
      `${from} (https://mirror.invalid/torch.whl leads there): expected https:`,
    ),
  });
  redirect(...Array<string>(21).fill('/again'));
  await expect(setup({ env, from: 'https://mirror.invalid/torch.whl' })).rejects.toMatchObject({
    code: 'LIBTORCH_DOWNLOAD',
    message: expect.stringContaining('more than 20 redirects'),
  });
  expect(left()).toEqual([]);
  redirect('/elsewhere', from);
  const libtorch = await setup({ env, from: 'https://mirror.invalid/torch.whl', sha256: sha256(body) });
  expect(libtorch.version).toBe(libtorchVersion);
});

test('the checksum that is asked for is that of the archive, from pip, a path or the cache', async () => {
  const { home, env, wheel, left } = machine();
  const from = wheel();
  const right = sha256(readFileSync(from));
  const wrong = right.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
  const refused = {
    code: 'LIBTORCH_DOWNLOAD',
    message: expect.stringContaining(`expected SHA-256 ${wrong} (--sha256), got ${right}`),
  };
  await expect(setup({ env, from, sha256: wrong })).rejects.toMatchObject(refused);
  fakePip(home, from);
  await expect(setup({ env, sha256: wrong })).rejects.toMatchObject(refused);
  expect(left()).toEqual([]);
  for (const sha256 of ['', 'abc', `${right}0`, right.replace(/.$/, 'g')])
    await expect(setup({ env, from, sha256 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('setup.sha256: expected 64 hexadecimal digits'),
    });
  await setup({ env, sha256: right.toUpperCase() });
  // Another archive than the one that the cache was made of is not taken for it.
  await expect(setup({ env, from, sha256: wrong })).rejects.toMatchObject(refused);
  await expect(setup({ env, from: join(home, 'gone.whl'), sha256: right })).resolves.toMatchObject({
    version: libtorchVersion,
  });
});

test('an aborted setup leaves nothing', async () => {
  const { env, wheel, left } = machine();
  for (const stage of ['download', 'unpack']) {
    const controller = new AbortController();
    const aborted = setup({
      env,
      from: wheel(),
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.stage === stage) controller.abort();
      },
    });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    expect(left()).toEqual([]);
  }
});

test('a wheel that is damaged, cut off, of another version or no libtorch is refused and leaves nothing', async () => {
  const { home, env, wheel, left } = machine();
  const refused = async (from: string, code: string, message: RegExp) => {
    await expect(setup({ env, from })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(left()).toEqual([]);
  };
  await refused(wheel({ spoiled: 'lib/libc10.so' }), 'LIBTORCH_DOWNLOAD', /libc10\.so: expected SHA-256/);
  await refused(wheel({ without: 'lib/libtorch_cpu.so' }), 'LIBTORCH_DOWNLOAD', /no lib\/libtorch_cpu\.so/);
  await refused(
    wheel({ version: '2.9.1' }),
    'LIBTORCH_VERSION',
    new RegExp(`expected libtorch ${libtorchVersion.replaceAll('.', '\\.')}, got 2\\.9\\.1`),
  );
  const cut = join(home, 'cut.whl');
  writeFileSync(cut, fakeWheel().subarray(0, 200));
  await refused(cut, 'LIBTORCH_DOWNLOAD', /cut\.whl|archive\.zip/);
  await refused(join(home, 'none.whl'), 'FILE_NOT_FOUND', /none\.whl/);
});

test('a full disk under pip is a full disk', async () => {
  const { home, env, wheel, left } = machine();
  fakePip(home, wheel(), 'echo "ERROR: [Errno 28] No space left on device" >&2; exit 1');
  await expect(setup({ env })).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(left()).toEqual([]);
});

test('a cache that cannot be written is reported', async () => {
  const { home, env, wheel } = machine();
  writeFileSync(join(home, 'file'), '');
  await expect(
    setup({ env: { ...env, RDROP_CACHE: join(home, 'file/cache') }, from: wheel() }),
  ).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' });
});

test('a missing tool is named with the line that installs it', async () => {
  const env = { PATH: scratchDirectory() };
  expect(() => requireTools(['cmake', 'compiler', 'make'], env)).toThrow(
    expect.objectContaining({
      code: 'TOOL_MISSING',
      message: 'cmake is not installed; it configures the native addon. Next: apt-get install cmake',
    }),
  );
  expect(() => requireTools(['compiler'], env)).toThrow(
    /g\+\+ or clang\+\+ or c\+\+ is not .*apt-get install g\+\+/,
  );
  expect(() => requireTools(['make'], env)).toThrow(/ninja or make .*apt-get install ninja-build/);
  expect(missingTool('pip').message).toContain('apt-get install python3-pip');
  expect(await lackingForPip(env)).toBe('python3');
  writeFileSync(join(env.PATH, 'python3'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  expect(await lackingForPip(env)).toBe('pip');
  writeFileSync(join(env.PATH, 'python3'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  expect(await lackingForPip(env)).toBeNull();
});
