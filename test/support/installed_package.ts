// The package as its users get it: what npm packs of this checkout, installed into an empty project without running any script.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/util/package_root.js';
import { onDisk } from './temporary_directory.js';

export const run = (command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = process.env) =>
  execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export interface InstalledPackage {
  /** Scratch space that holds everything below; to be removed in the end. */
  directory: string;
  project: string;
  /** node_modules/rdrop of the project. */
  installed: string;
  packedBytes: number;
}

/** Of the checkout: all that could be packed, so that what package.json leaves out is seen to be left out. */
const staged = [
  ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'CMakeLists.txt', 'binding.gyp'],
  ...['dist', 'lib', 'native', 'cmake', 'scripts', 'benchmarks'],
];

/** Packs and installs with prebuilt addons made for it; the checkout's own prebuilds/ is left alone. @param prebuild - arguments of scripts/prebuild.mjs */
export function installPackage(prebuild: string[]): InstalledPackage {
  // On the disk: packages are installed there, some hundred megabytes.
  const directory = mkdtempSync(join(onDisk(), 'rdrop-package-'));
  const stage = join(directory, 'stage');
  const project = join(directory, 'project');
  mkdirSync(project);
  for (const name of staged)
    if (existsSync(join(packageRoot, name)))
      cpSync(join(packageRoot, name), join(stage, name), { recursive: true });
  run(
    process.execPath,
    [join(packageRoot, 'scripts/prebuild.mjs'), '--out', stage, ...prebuild],
    packageRoot,
  );
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', directory], stage);
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'empty', private: true, type: 'module' }),
  );
  const archive = join(directory, readdirSync(directory).find((name) => name.endsWith('.tgz'))!);
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  run('npm', ['install', ...options, archive], project);
  return {
    directory,
    project,
    installed: join(project, 'node_modules/rdrop'),
    packedBytes: statSync(archive).size,
  };
}
