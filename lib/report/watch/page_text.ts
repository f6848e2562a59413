import { escapeHtml } from '../charts/draw.js';
import { pageStyle } from '../page_style.js';

/** The page without its content, which watch.js makes of what the server sends. */
export const pageText = (directory: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rdrop watch: ${escapeHtml(directory)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<link rel="modulepreload" href="echarts.js">
<script type="module" src="watch.js"></script>
</head>
<body class="watch">
<header>
<h1>${escapeHtml(directory)}</h1>
<p id="connection" role="status">connecting</p>
</header>
<main>
<noscript><p>This page needs JavaScript.</p></noscript>
<p id="answer" class="answer">…</p>
<ul id="sweeps" class="more" hidden></ul>
<section aria-labelledby="runs-title">
<h2 id="runs-title">Runs</h2>
<p class="filter"><label for="filter">Show runs with</label> <input id="filter" type="search" autocomplete="off" placeholder="part of a name or state"></p>
<div class="scroll" id="scroll" tabindex="0" role="region" aria-label="Table of runs"><table id="runs"><thead></thead><tbody></tbody></table></div>
</section>
<section aria-labelledby="curves-title">
<h2 id="curves-title">Curves</h2>
<p class="note">Of the runs that are ticked in the table. To zoom, move the ends of the bar below a chart, or hold Ctrl and turn the wheel.</p>
<ul id="legend" class="legend"></ul>
<div id="curves"></div>
</section>
<section id="details" aria-labelledby="details-title" tabindex="-1" hidden>
<h2 id="details-title"></h2>
<div id="details-body"></div>
</section>
</main>
</body>
</html>
`;

/** The look of a report, and what only this page has. */
export const watchStyle = `${pageStyle}
body.watch { max-width: 90rem; }
.watch header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; justify-content: space-between; }
.watch h1 { margin: 0; }
#connection { margin: 0; font-size: .875rem; color: var(--soft); }
#connection.lost { color: #c5382a; font-weight: 600; }
.scroll { overflow-x: auto; max-height: 34rem; overflow-y: auto; }
.scroll:focus-visible, input:focus-visible, section:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#runs thead th { position: sticky; top: 0; background: var(--page); z-index: 1; }
#runs td, #runs th { white-space: nowrap; }
#runs tbody th, #runs thead th:nth-child(2), #runs thead th:nth-child(3) { text-align: left; }
#runs th:first-child, #runs td:first-child { padding-right: 0; }
#runs tbody button { font: inherit; color: var(--accent); background: none; border: 0; padding: .1rem 0; cursor: pointer; text-decoration: underline; }
#runs tr[aria-current=true] { background: var(--band); }
#runs td:nth-child(3) { text-align: left; }
.state::before { content: "● "; }
.state.running::before { color: #0087d0; }
.state.finished::before { color: #009e73; }
.state.failed::before { color: #d03b2c; }
.state.interrupted::before { color: #b59f00; }
.state.waiting::before, .state.dropped::before { color: var(--soft); }
progress { width: 6rem; height: .6rem; accent-color: var(--accent); vertical-align: middle; }
.filter { margin: .4rem 0; font-size: .875rem; color: var(--soft); }
.filter input { font: inherit; color: var(--text); background: var(--page); border: 1px solid var(--soft); border-radius: 4px; padding: .15rem .4rem; }
#curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem 2rem; }
.reset-zoom { font: inherit; font-size: .8125rem; color: var(--accent); background: none; border: 1px solid var(--rule); border-radius: 4px; padding: .1rem .5rem; cursor: pointer; }
#curves h3, #details h3 { font-size: .95rem; margin: 1rem 0 .3rem; font-weight: 600; }
.log { font: .8125rem/1.5 ui-monospace, monospace; max-height: 16rem; overflow: auto; margin: 0; padding: .5rem; list-style: none; background: var(--band); }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: 0; font-size: .875rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
`;
