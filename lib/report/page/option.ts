import type { CustomSeriesOption, LineSeriesOption, ScatterSeriesOption } from 'echarts/charts';
import type { EChartsCoreOption } from 'echarts/core';
import type { Axis, Band, Chart, Line, LinePanel, Panel, RowPanel, Rule, Spots } from '../charts/chart.js';
import { placePanels } from './layout.js';
import { soft, text } from './look.js';

type Mark = Line | Band | Spots | Rule;
type SeriesOption = LineSeriesOption | ScatterSeriesOption | CustomSeriesOption;
interface Point {
  x: number;
  y: number;
}

const rule = 'var(--rule, #d4d4d4)';
const page = 'var(--page, #ffffff)';
const gray = '#8a8a8a';

/**
 * A chart in ECharts' terms.
 *
 * @param width of the whole, in pixels
 * @param live whether a reader can act on it: then there is a slider under each panel that can be zoomed
 * @returns `marks`, the mark of each of ECharts' series, by which a tooltip finds what it is about
 */
export function optionOf(
  chart: Chart,
  width: number,
  live: boolean,
): { option: EChartsCoreOption; height: number; marks: Mark[] } {
  const { places, height } = placePanels(chart.panels, width, live);
  const marks: Mark[] = [];
  const series: SeriesOption[] = [];
  chart.panels.forEach((panel, at) => {
    for (const mark of marksOf(panel, chart)) {
      marks.push(mark);
      series.push({ ...seriesOf(mark, chart), xAxisIndex: at, yAxisIndex: at, animation: false });
    }
  });
  const option: EChartsCoreOption = {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: 'system-ui, sans-serif', color: text, fontSize: 12 },
    // Drawn as HTML beside the chart; here it is what can be switched.
    legend: { show: false, data: chart.series.map(({ name }) => name) },
    title: chart.panels.flatMap(({ title }, i) =>
      title === undefined
        ? []
        : [
            {
              text: title,
              ...places[i]!.title,
              padding: 0,
              textStyle: { fontSize: 13, fontWeight: 600, color: text },
            },
          ],
    ),
    grid: places.map(({ grid }, i) => ({
      ...grid,
      outerBoundsMode: 'none',
      tooltip: { trigger: chart.panels[i]!.kind === 'lines' ? 'axis' : 'item' },
    })),
    xAxis: chart.panels.map((panel, gridIndex) => ({ ...xAxis(panel), gridIndex })),
    yAxis: chart.panels.map((panel, gridIndex) => ({
      ...(panel.kind === 'lines' ? valueYAxis(panel) : rowAxis(panel, places[gridIndex]!.grid)),
      gridIndex,
    })),
    dataZoom: live ? zooms(chart.panels, places) : [],
    series,
  };
  return { option, height, marks };
}

/** Of a panel that repeats another from some x on, the part from there. */
function marksOf(panel: Panel, { panels }: Chart): Mark[] {
  if (panel.kind === 'rows' || panel.detail === undefined) return panel.marks;
  const { of, from } = panel.detail;
  return (panels[of] as LinePanel).marks.map((mark) => ({
    ...mark,
    points: mark.points.filter(([x]) => x >= from),
  })) as Mark[];
}

function valueAxis({ title, scale = 'linear', zero = false }: Axis) {
  const common = {
    name: title,
    nameTextStyle: { color: soft, fontSize: 12 },
    axisLabel: { color: soft, fontSize: 12, hideOverlap: true },
    axisLine: { lineStyle: { color: rule } },
    axisTick: { lineStyle: { color: rule } },
    splitLine: { lineStyle: { color: rule, opacity: 0.6 } },
  };
  return scale === 'linear'
    ? { ...common, type: 'value', scale: !zero, splitNumber: 5 }
    : { ...common, type: 'log', logBase: scale === 'log2' ? 2 : 10 };
}

function xAxis(panel: Panel) {
  const axis = valueAxis(panel.x);
  const lines = panel.kind === 'lines';
  return {
    ...axis,
    nameLocation: 'middle',
    nameGap: 30,
    // A number at an end stays within the chart.
    axisLabel: { ...axis.axisLabel, alignMaxLabel: 'right', ...(lines ? {} : { alignMinLabel: 'left' }) },
    ...(lines && axis.type === 'value'
      ? { min: panel.detail?.from ?? 0, max: 'dataMax', minInterval: 1 }
      : {}),
    ...(lines ? { splitLine: { show: false } } : { boundaryGap: ['6%', '6%'], axisLine: { show: false } }),
    axisPointer: { lineStyle: { color: soft }, label: { show: false } },
  };
}

const valueYAxis = ({ y }: LinePanel) => ({
  ...valueAxis(y),
  nameLocation: 'end',
  nameGap: 12,
  nameTextStyle: { color: soft, fontSize: 12, align: 'left', padding: [0, 0, 0, -44] },
  axisPointer: { show: false },
});

function rowAxis({ rows, names }: RowPanel, { left, width }: { left: number; width: number }) {
  const above = { inside: true, margin: 0, align: 'left', verticalAlign: 'bottom', padding: [0, 0, 16, 0] };
  return {
    type: 'category',
    data: rows,
    inverse: true,
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { show: true, lineStyle: { color: rule, opacity: 0.6 } },
    axisLabel: {
      show: names !== 'none',
      color: text,
      fontSize: 12,
      interval: 0,
      overflow: 'truncate',
      width: names === 'above' ? width : left - 10,
      ...(names === 'above' ? { ...above, fontSize: 13, fontWeight: 600 } : {}),
    },
    z: 3,
  };
}

function zooms(panels: readonly Panel[], places: ReturnType<typeof placePanels>['places']) {
  const touch = typeof matchMedia === 'function' && matchMedia('(pointer: coarse)').matches;
  return panels.flatMap((panel, xAxisIndex) => {
    if (panel.kind !== 'lines' || !panel.zoom) return [];
    const slider = {
      type: 'slider',
      xAxisIndex,
      ...places[xAxisIndex]!.slider,
      brushSelect: false,
      showDetail: false,
      showDataShadow: false,
      borderColor: rule,
      backgroundColor: 'transparent',
      fillerColor: 'rgba(128, 128, 128, 0.15)',
      borderRadius: 5,
      handleStyle: { color: page, borderColor: soft },
      moveHandleSize: 0,
    };
    // A wheel without a key, and a finger, scroll the page.
    const inside = { type: 'inside', xAxisIndex, zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false };
    return touch ? [slider] : [slider, inside];
  });
}

function seriesOf(mark: Mark, chart: Chart): SeriesOption {
  const own = mark.kind === 'rule' || mark.series === null ? undefined : chart.series[mark.series];
  const color = own?.color ?? gray;
  const name = own === undefined ? {} : { name: own.name };
  switch (mark.kind) {
    case 'line':
      return { ...name, ...lineSeries(mark, color) };
    case 'band':
      return { ...name, ...bandSeries(mark, color) };
    case 'rule':
      return ruleSeries(mark);
    case 'spots':
      return {
        ...name,
        ...(mark.shape === 'circle' || mark.shape === 'diamond' ? scatter : barSeries)(mark, color),
      };
  }
}

/** Where two lines are one, the dashes of the later show the earlier; and they stay apart without color. */
const dashes = ['solid', [10, 5], [4, 4], [12, 4, 3, 4]] as const;

function lineSeries({ series, strong, points }: Line, color: string): LineSeriesOption {
  return {
    type: 'line',
    data: points,
    // A single point makes no line, and few are easier to read with their marks.
    showSymbol: points.length === 1 || (strong && points.length <= 20),
    symbol: 'circle',
    symbolSize: strong ? 6 : 5,
    color,
    lineStyle: {
      color,
      width: strong ? 2.5 : 1,
      opacity: strong ? 1 : 0.45,
      type: strong ? (dashes[series % dashes.length] as 'solid' | number[]) : 'solid',
    },
    itemStyle: { color },
    emphasis: { disabled: true },
    z: strong ? 5 : 4,
  };
}

function bandSeries({ points }: Band, color: string): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    tooltip: { show: false },
    data: points,
    encode: { x: 0, y: [1, 2] },
    clip: true,
    z: 2,
    renderItem: (params, api) => {
      // All in one shape, made with the first item; what lies outside of a zoomed axis is clipped.
      if (params.dataIndexInside > 0) return null;
      const corner = (x: number, y: number) => api.coord([x, y]) as [number, number];
      const lower = points.map(([x, low]) => corner(x, low));
      const upper = points.map(([x, , high]) => corner(x, high));
      return {
        type: 'polygon',
        shape: { points: [...lower, ...upper.reverse()] },
        style: { fill: color, opacity: 0.14 },
      };
    },
  };
}

const scatter = ({ shape, items }: Spots, color: string): ScatterSeriesOption => ({
  type: 'scatter',
  symbol: shape as string,
  symbolSize: shape === 'diamond' ? 12 : 10,
  data: items.map(({ row, at, shift = 0 }) => ({
    value: [at as number, row],
    symbolOffset: [0, shift] as [number, number],
  })),
  itemStyle: { color, opacity: 0.85, borderColor: page, borderWidth: 1 },
  emphasis: { scale: 1.3, itemStyle: { color, opacity: 1 } },
  z: 5,
});

/** Bars across a row, or intervals along it. */
function barSeries({ shape, items }: Spots, color: string): CustomSeriesOption {
  return {
    type: 'custom',
    data: items.map(({ row, at }) => (typeof at === 'number' ? [at, row, at] : [at[0], row, at[1]])),
    encode: { x: [0, 2], y: 1 },
    z: 4,
    renderItem: (params, api) => {
      const { label, shift = 0 } = items[params.dataIndex]!;
      const [low, row, high] = [0, 1, 2].map((i) => api.value(i) as number) as [number, number, number];
      const [left, y] = api.coord([low, row]) as [number, number];
      const [right] = api.coord([high, row]) as [number, number];
      const middle = y + shift;
      const line = (from: Point, to: Point, lineWidth: number) => ({
        type: 'line' as const,
        shape: { x1: from.x, y1: from.y, x2: to.x, y2: to.y },
        style: { stroke: color, lineWidth, fill: 'none' },
      });
      const across = (x: number, half: number, lineWidth: number) =>
        line({ x, y: middle - half }, { x, y: middle + half }, lineWidth);
      const bar =
        shape === 'bar'
          ? [across(left, 11, 3)]
          : [
              line({ x: left, y: middle }, { x: right, y: middle }, 2),
              across(left, 4, 2),
              across(right, 4, 2),
            ];
      const words = {
        type: 'text' as const,
        x: left,
        y: middle + 13,
        style: {
          text: label ?? '',
          fill: text,
          align: 'center' as const,
          verticalAlign: 'top' as const,
          font: '600 12px system-ui, sans-serif',
        },
      };
      return { type: 'group', children: label === undefined ? bar : [...bar, words] };
    },
  };
}

function ruleSeries({ at }: Rule): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    tooltip: { show: false },
    data: [[at, 0]],
    z: 1,
    renderItem: (params, api) => {
      const [x] = api.coord([at, 0]) as [number];
      const { y, height } = params.coordSys as unknown as { y: number; height: number };
      return {
        type: 'line',
        shape: { x1: x, y1: y, x2: x, y2: y + height },
        style: { stroke: gray, lineDash: [4, 4], lineWidth: 1 },
      };
    },
  };
}
