import { spawn } from 'node:child_process';
import { RdropError } from '../../util/errors.js';
import { childEnvironment, type Environment, onPath } from '../../util/programs.js';
import { pythonModule } from '../../util/python.js';

/** The programs that something here starts, by what they are for; any one of `programs` will do. */
export const tools = {
  python3: {
    programs: ['python3'],
    purpose: 'downloads libtorch through pip',
    install: 'apt-get install python3',
  },
  pip: { programs: [], purpose: 'downloads libtorch', install: 'apt-get install python3-pip' },
  cmake: { programs: ['cmake'], purpose: 'configures the native addon', install: 'apt-get install cmake' },
  compiler: {
    programs: ['g++', 'clang++', 'c++'],
    purpose: 'compiles the native addon',
    install: 'apt-get install g++',
  },
  make: {
    programs: ['ninja', 'make'],
    purpose: 'runs the compiler',
    install: 'apt-get install ninja-build',
  },
  nvcc: {
    programs: ['nvcc'],
    purpose: "compiles the CUDA kernels, with the CUDA of libtorch's build (13)",
    install: 'install the CUDA toolkit and put its bin/ on PATH',
  },
} as const satisfies Record<string, { programs: readonly string[]; purpose: string; install: string }>;

export type Tool = keyof typeof tools;

/** The path of the first program that can serve as the tool, or null. pip is a module of python3: see findPip. */
export function findTool(tool: Exclude<Tool, 'pip'>, env: Environment = process.env): string | null {
  for (const program of tools[tool].programs) {
    const path = onPath(program, env);
    if (path !== null) return path;
  }
  return null;
}

export const missingTool = (tool: Tool, more = '', options?: ErrorOptions): RdropError => {
  const { programs, purpose, install } = tools[tool];
  const name = programs.join(' or ') || tool;
  return new RdropError(
    'TOOL_MISSING',
    `${name} is not installed; it ${purpose}. Next: ${install}${more}`,
    options,
  );
};

/** @throws RdropError TOOL_MISSING, naming the first tool that is lacking and the line that installs it. */
export function requireTools(needed: Exclude<Tool, 'pip'>[], env: Environment = process.env): void {
  for (const tool of needed) if (findTool(tool, env) === null) throw missingTool(tool);
}

/** What a program printed (both streams together) and how it ended. */
export interface ToolRun {
  status: number | null;
  output: string;
}

/**
 * Runs a program and collects its output.
 *
 * @param program - its absolute path.
 * @throws RdropError ABORTED when the signal fires; the program is ended first. INTERNAL when it cannot be started.
 */
export function runTool(
  program: string,
  args: string[],
  options: { env: Environment; signal?: AbortSignal | undefined },
): Promise<ToolRun> {
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(program, args, {
      env: childEnvironment(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const collect = (bytes: Buffer) => {
      output += bytes.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (cause) => {
      // 'error' comes before the process is gone; its files must not be removed under it.
      const error = options.signal?.aborted
        ? new RdropError('ABORTED', `${program} was aborted`, { cause })
        : new RdropError('INTERNAL', `${program} could not be started (${cause.message})`, { cause });
      if (child.pid === undefined) reject(error);
      else child.once('close', () => reject(error));
    });
    child.on('close', (status) => {
      if (!options.signal?.aborted) resolve({ status, output });
    });
  });
}

/** 'python3' or 'pip' when that is what is lacking, else null. */
export async function lackingForPip(
  env: Environment = process.env,
  signal?: AbortSignal,
): Promise<'python3' | 'pip' | null> {
  const python = findTool('python3', env);
  if (python === null) return 'python3';
  const { status } = await runTool(python, pythonModule('pip', '--version'), { env, signal });
  return status === 0 ? null : 'pip';
}
