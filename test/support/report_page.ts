import { ensureReportPage } from '../../scripts/steps.mjs';

/** Tests import lib/ as it is; what draws the charts of reports is the one thing that has to be bundled before. */
export default ensureReportPage;
