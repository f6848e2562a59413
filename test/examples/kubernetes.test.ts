import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '../../lib/util/package_root.js';

/** Kubeflow publishes no types of its jobs: its own fields are those of its training operator's schema, 1.9.0, the pods Kubernetes'. */
const types = `
  import type { Job } from 'kubernetes-types/batch/v1';
  import type { PodTemplateSpec } from 'kubernetes-types/core/v1';
  import type { ObjectMeta } from 'kubernetes-types/meta/v1';
  interface Replicas {
    replicas?: number;
    restartPolicy?: 'Always' | 'OnFailure' | 'Never' | 'ExitCode';
    template: PodTemplateSpec;
  }
  interface PyTorchJob {
    apiVersion: 'kubeflow.org/v1';
    kind: 'PyTorchJob';
    metadata: ObjectMeta;
    spec: { pytorchReplicaSpecs: { Master?: Replicas; Worker?: Replicas } };
  }
`;

/** What is wrong with an object, by the types that are generated from Kubernetes' published schemas. */
function faults(type: string, value: unknown): string[] {
  const name = join(packageRoot, 'test/examples/manifest.ts');
  const text = `${types}\nexport const manifest: Required<Pick<${type}, 'apiVersion' | 'kind' | 'metadata' | 'spec'>> = ${JSON.stringify(value)};\n`;
  const options: ts.CompilerOptions = {
    ...{ strict: true, noEmit: true, types: [], target: ts.ScriptTarget.ES2022 },
    ...{ module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
  };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (file, ...rest) =>
    file === name ? ts.createSourceFile(file, text, ts.ScriptTarget.ES2022) : read(file, ...rest);
  const exists = host.fileExists.bind(host);
  host.fileExists = (file) => file === name || exists(file);
  const program = ts.createProgram([name], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

const manifest = (file: string): unknown =>
  parse(readFileSync(join(packageRoot, 'examples/scaling', file), 'utf8'), { uniqueKeys: true });

describe('the examples for Kubernetes', () => {
  it.each([
    ['workers.yaml', 'Job'],
    ['pytorchjob.yaml', 'PyTorchJob'],
  ])('%s is a %s', (file, type) => {
    expect(faults(type, manifest(file))).toEqual([]);
  });

  it('what no schema has is found, at any depth', () => {
    const job = manifest('workers.yaml') as { spec: { template: { spec: { containers: object[] } } } };
    const [container] = job.spec.template.spec.containers;
    Object.assign(container ?? {}, { volumeMount: [] });
    expect(faults('Job', job).join()).toMatch(/'"volumeMount"' does not exist in type 'Container'/);
    expect(faults('Job', { ...(manifest('workers.yaml') as object), apiVersion: 'batch/v2' })).toHaveLength(
      1,
    );
  });
});
