/** A bar of two parts, one after the other. */
export interface Bar {
  readonly label: string;
  readonly parts: readonly [number, number];
  /** What is written after it. */
  readonly text: string;
  /** Whether it is the one that the chart is about. */
  readonly isOurs: boolean;
}

/** Bars with a scale of their own. */
export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABEL_WIDTH = 222;
const TEXT_WIDTH = 70;
const ROW_HEIGHT = 22;
const TITLE_HEIGHT = 44;

const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .legend, .text { font-size: 12px; fill: #57606a }
  .ours .label { font-weight: 600 }
  .first { fill: #6e7781 } .second { fill: #b9c0c8 }
  .ours .first { fill: #0969da } .ours .second { fill: #80b8f5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .legend, .text { fill: #9198a1 }
    .first { fill: #8b949e } .second { fill: #444c56 }
    .ours .first { fill: #58a6ff } .ours .second { fill: #1f4f8f }
  }`;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function rect(part: string, x: number, y: number, width: number): string {
  return `<rect class="${part}" x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW_HEIGHT - 7}"/>`;
}

function drawPanel({ title, bars }: Panel, top: number): string {
  const most = Math.max(...bars.map(({ parts }) => parts[0] + parts[1]));
  const scale = (WIDTH - LABEL_WIDTH - TEXT_WIDTH) / most;
  const rows = bars.map(({ label, parts, text, isOurs }, i) => {
    const y = top + TITLE_HEIGHT + i * ROW_HEIGHT;
    const [first, second] = [parts[0] * scale, parts[1] * scale];
    const end = LABEL_WIDTH + first + second + 6;
    return `<g${isOurs ? ' class="ours"' : ""}>
<text class="label" x="${LABEL_WIDTH - 8}" y="${y + 12}" text-anchor="end">${escape(label)}</text>
${rect("first", LABEL_WIDTH, y, first)}${rect("second", LABEL_WIDTH + first, y, second)}
<text class="text" x="${end.toFixed(1)}" y="${y + 12}">${escape(text)}</text></g>`;
  });
  return [`<text class="title" x="8" y="${top + 26}">${escape(title)}</text>`, ...rows].join("\n");
}

/**
 * Horizontal bars as an SVG image that suits light and dark pages.
 *
 * @param legend The meaning of the two parts. Screen readers read it aloud.
 * @param source Where the figures are from, on a line of its own.
 */
export function barChart(legend: string, panels: readonly Panel[], source: string): string {
  let height = 0;
  const drawn = panels.map((panel) => {
    const top = height;
    height += TITLE_HEIGHT + panel.bars.length * ROW_HEIGHT + 6;
    return drawPanel(panel, top);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height + 48}" role="img" aria-label="${escape(legend)}">
<style>${style}
</style>
${drawn.join("\n")}
<text class="legend" x="8" y="${height + 16}">${escape(legend)}</text>
<text class="legend" x="8" y="${height + 36}">${escape(source)}</text>
</svg>
`;
}
