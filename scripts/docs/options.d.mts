import type ts from 'typescript';

export interface Program {
  program: ts.Program;
  checker: ts.TypeChecker;
}
export interface Documentation {
  text: string;
  /** The tag `@default`, null where there is none. */
  default: string | null;
  range: string | null;
}
export interface DocumentedOption extends Documentation {
  /** Path from the interface, `model.dropout`. */
  name: string;
  optional: boolean;
  values: string;
}
export interface DocumentedInterface {
  name: string;
  /** The constant that holds the schema, or a schema around it. */
  schema: string;
  type: ts.Type;
}
export function programOf(...files: string[]): Program;
export function documentationOf(symbol: ts.Symbol, checker: ts.TypeChecker): Documentation;
export function typeOf(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Type;
export function isOptions(type: ts.Type, checker: ts.TypeChecker): boolean;
export function optionsOf(type: ts.Type, checker: ts.TypeChecker, path?: string): DocumentedOption[];
export function documentedInterfaces(program: Program): DocumentedInterface[];
