/** Builds dist/report/echarts.js where its sources have changed. */
export function ensureReportPage(): void;
