/** The part beyond the right edge, which scrolls in before the next sample arrives. */
const LEAD_MS = 2000;
/** The line breaks between samples that are further apart. */
const GAP_MS = 1500;

const still = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Lines over time that scroll to the left. A canvas that is wider than its box is drawn when there is something new, and
 * moved by an animation in between: so the scrolling costs the page, whose own machine may be on show, next to nothing.
 *
 * A series is `{ value(sample), color(alpha), width?, line?, area? }`: `line` and `area` are the opacities of the line and of the
 * filling under it.
 */
export class TimeChart {
  #canvas = document.createElement("canvas");
  #windowMs;
  #series;
  #size;
  #last;

  constructor(box, windowMs, series) {
    this.#windowMs = windowMs;
    this.#series = series;
    box.replaceChildren(this.#canvas);
    new ResizeObserver(([entry]) => {
      this.#size = entry.contentRect;
      if (this.#last !== undefined) this.draw(...this.#last);
    }).observe(box);
  }

  /** Draws samples, of which those from `now` on are still beyond the right edge, on a scale from 0 to `maximum`. */
  draw(samples, now, maximum) {
    this.#last = [samples, now, maximum];
    if (this.#size === undefined) return;
    const { width, height } = this.#size;
    const scale = width / this.#windowMs;
    const context = this.#clear(width + LEAD_MS * scale, height);
    for (const { value, color, width: lineWidth = 1.5, line: opacity = 1, area = 0 } of this.#series) {
      const y = (sample) => lineWidth / 2 + (height - lineWidth) * (1 - value(sample) / maximum);
      const points = samples.map((sample) => ({ at: sample.at, x: width + (sample.at - now) * scale, y: y(sample) }));
      for (const run of unbroken(points)) {
        const line = smooth(run);
        if (area > 0) fill(context, line, run, height, color, area);
        context.lineWidth = lineWidth;
        context.strokeStyle = color(opacity);
        context.stroke(line);
      }
    }
    this.#scroll(-LEAD_MS * scale);
  }

  #clear(width, height) {
    const ratio = devicePixelRatio;
    const [columns, rows] = [Math.ceil(width * ratio), Math.ceil(height * ratio)];
    const canvas = this.#canvas;
    if (canvas.width !== columns || canvas.height !== rows) {
      canvas.width = columns;
      canvas.height = rows;
      canvas.style.width = `${columns / ratio}px`;
      canvas.style.height = `${rows / ratio}px`;
    }
    const context = canvas.getContext("2d");
    // Edge pixels may lie half beyond the box, so all are cleared to leave no trace.
    context.resetTransform();
    context.clearRect(0, 0, columns, rows);
    context.scale(ratio, ratio);
    context.lineJoin = "round";
    return context;
  }

  #scroll(distance) {
    for (const animation of this.#canvas.getAnimations()) animation.cancel();
    if (still.matches) return;
    const transform = ["translateX(0)", `translateX(${distance}px)`];
    this.#canvas.animate({ transform }, { duration: LEAD_MS, fill: "forwards" });
  }
}

/** The points in groups with no gap within. */
function unbroken(points) {
  const runs = [];
  let previous;
  for (const point of points) {
    if (previous === undefined || point.at - previous.at > GAP_MS) runs.push([]);
    runs.at(-1).push(point);
    previous = point;
  }
  return runs;
}

/** A curve through all points that stays in the range of each two neighbours, so it shows no false peak. */
function smooth(run) {
  const path = new Path2D();
  const slopes = run.map((_, i) => slopeAt(run, i));
  path.moveTo(run[0].x, run[0].y);
  for (let i = 1; i < run.length; i += 1) {
    const [from, to] = [run[i - 1], run[i]];
    const third = (to.x - from.x) / 3;
    path.bezierCurveTo(
      from.x + third,
      from.y + third * slopes[i - 1],
      to.x - third,
      to.y - third * slopes[i],
      to.x,
      to.y,
    );
  }
  return path;
}

/** Level at peaks and at the ends, elsewhere the harmonic mean (Fritsch and Butland, 1984). */
function slopeAt(run, i) {
  if (i === 0 || i === run.length - 1) return 0;
  const [before, after] = [slope(run[i - 1], run[i]), slope(run[i], run[i + 1])];
  return before * after > 0 ? (2 * before * after) / (before + after) : 0;
}

function slope(from, to) {
  return (to.y - from.y) / (to.x - from.x);
}

function fill(context, line, run, height, color, alpha) {
  const shape = new Path2D(line);
  shape.lineTo(run.at(-1).x, height);
  shape.lineTo(run[0].x, height);
  const gradient = context.createLinearGradient(0, 0, 0, height);
  gradient.addColorStop(0, color(alpha));
  gradient.addColorStop(1, color(alpha / 8));
  context.fillStyle = gradient;
  context.fill(shape);
}
