/** The test files that may share a process: those that do not open the addon themselves, measure nothing of it and change nothing in it. */
export function filesThatShare(): string[];
