export const mockDirectory: string;
export function mockEnvironment(): { LD_PRELOAD: string };
