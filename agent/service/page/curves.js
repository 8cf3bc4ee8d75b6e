// Two small plots: trials that train now, and every candidate so far. Scores are 0..1 (kappa from -1).
"use strict";

const WIDTH = 320, HEIGHT = 130, LEFT = 34, BOTTOM = 18, TOP = 8, RIGHT = 8;

function drawn(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function frame(values, most, title, below) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = Math.max((high - low) * 0.1, 0.005);
  const bottom = low - room, top = high + room;
  const x = (place) => LEFT + (WIDTH - LEFT - RIGHT) * (most > 1 ? (place - 1) / (most - 1) : 0.5);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - bottom) / (top - bottom));
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  svg.append(drawn("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  for (const value of [low, high]) {
    svg.append(drawn("text", { x: 0, y: y(value) + 4 }, (100 * value).toFixed(1)));
  }
  svg.append(drawn("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, below));
  return { svg, x, y };
}

function figureOf(svg, caption) {
  const figure = document.createElement("figure"), words = document.createElement("figcaption");
  words.textContent = caption;
  figure.append(svg, words);
  return figure;
}

// Scores on validation after each epoch, a line for each trial.
function curvesFigure(running, metric) {
  const begun = running.filter((curve) => curve.scores.length);
  if (!begun.length) return null;
  const most = Math.max(...begun.map((curve) => curve.epochs));
  const title = `Validation ${metric} by epoch of ${begun.map((curve) => curve.label).join(", ")}`;
  const { svg, x, y } = frame(begun.flatMap((curve) => curve.scores), most, title, `epoch ${most}`);
  begun.forEach((curve, number) => {
    const points = curve.scores.map((score, epoch) => `${x(epoch + 1)},${y(score)}`).join(" ");
    svg.append(drawn("polyline", { class: number ? "curve other" : "curve", points }));
    const last = curve.scores.length;
    svg.append(drawn("circle", { class: "dot", cx: x(last), cy: y(curve.scores[last - 1]), r: 3 }));
  });
  const labels = begun.map((curve) => `${curve.label}, epoch ${curve.scores.length} of ${curve.epochs}`);
  return figureOf(svg, `Training now: ${labels.join("; ")}`);
}

// The mean over seeds of each candidate, in the order in which they were trained.
function candidatesFigure(candidates, metric) {
  const known = candidates.filter((each) => each.mean !== null);
  if (!known.length) return null;
  const means = known.map((each) => each.mean);
  const { svg, x, y } = frame(means, known.length, `Validation ${metric} of every candidate`, `${known.length} tried`);
  known.forEach((each, place) => {
    const dot = drawn("circle", { class: "dot", cx: x(place + 1), cy: y(each.mean), r: 4 });
    dot.append(drawn("title", {}, `${each.name}: ${(100 * each.mean).toFixed(1)}\n${each.policy}`));
    svg.append(dot);
  });
  const best = known.reduce((first, each) => (each.mean > first.mean ? each : first));
  return figureOf(svg, `Best on validation so far: ${best.name}, ${(100 * best.mean).toFixed(1)}`);
}
