import { existsSync } from 'node:fs';

/** The C library of this system; musl (Alpine) cannot load libtorch, which is built for glibc. */
function cLibrary(): 'glibc' | 'musl' {
  // Asked first, because the report takes milliseconds.
  if (existsSync('/lib64/ld-linux-x86-64.so.2')) return 'glibc';
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** Why rdrop cannot run on this system, in one sentence; null where it can: Linux on x64 with glibc. */
export function unsupportedPlatform(
  platform: string = process.platform,
  arch: string = process.arch,
  libc: () => 'glibc' | 'musl' = cLibrary,
): string | null {
  let here = `${platform} on ${arch}`;
  if (platform === 'linux' && arch === 'x64') {
    if (libc() === 'glibc') return null;
    here = 'Linux with musl (Alpine)';
  }
  return (
    `rdrop runs on Linux x64 with glibc, and this is ${here}: there is no addon for it, and none can be installed or built. ` +
    'Next: a Linux x64 machine or container with glibc, such as node:22-bookworm (--platform linux/amd64), or WSL 2 on Windows'
  );
}
