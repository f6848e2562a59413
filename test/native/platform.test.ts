// What runs nowhere says so in one sentence, instead of what to install.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { unsupportedPlatform } from '../../lib/native/platform.js';

test('Linux on x64 with glibc alone is supported', () => {
  expect(unsupportedPlatform()).toBeNull();
  for (const [platform, arch] of [
    ['darwin', 'arm64'],
    ['win32', 'x64'],
    ['linux', 'arm64'],
    ['freebsd', 'x64'],
  ])
    expect(unsupportedPlatform(platform, arch)).toContain(
      `this is ${platform} on ${arch}: there is no addon for it`,
    );
  expect(unsupportedPlatform('linux', 'x64', () => 'musl')).toContain('musl (Alpine)');
});

test.each([
  ['darwin', 'arm64'],
  ['win32', 'x64'],
  ['linux', 'arm64'],
])('setup, the loss and doctor on %s %s: PLATFORM_UNSUPPORTED, and no advice to build', (platform, arch) => {
  const dist = (path: string) => JSON.stringify(join(packageRoot, 'dist', path));
  const code = `Object.defineProperty(process, 'platform', { value: '${platform}' });
    Object.defineProperty(process, 'arch', { value: '${arch}' });
    const { native } = await import(${dist('native/binding.js')});
    const { setup } = await import(${dist('native/libtorch/setup.js')});
    const { doctor } = await import(${dist('native/libtorch/doctor.js')});
    const codes = [];
    try { native() } catch (error) { codes.push(error.code) }
    await setup().catch((error) => codes.push(error.code));
    const { addon, next } = await doctor({ env: { PATH: '', HOME: '/nonexistent' } });
    console.log(JSON.stringify([...codes, addon.failure.code, next]));`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  expect(JSON.parse(printed)).toEqual([
    'PLATFORM_UNSUPPORTED',
    'PLATFORM_UNSUPPORTED',
    'PLATFORM_UNSUPPORTED',
    expect.stringMatching(/^a Linux x64 machine or container/),
  ]);
});
