"use strict";
/* graph.js - the network as a graph: units in columns, weights as lines, coloured by sign, as strong
 * as the number that they stand for. */

const unitQuantities = {
  activation: { title: "activations", of: (place, k) => outputOf(place, k),
    known: (place) => place === 0 || isKnown("forward", place - 1) },
  effect: { title: "effects ∂E/∂a", of: (place, k) => frame().layers[place - 1].effect[k],
    known: (place) => place > 0 && isKnown("backward", place - 1) },
  delta: { title: "deltas ∂E/∂net", of: (place, k) => frame().layers[place - 1].delta[k],
    known: (place) => place > 0 && isKnown("backward", place - 1) },
};

const edgeQuantities = {
  value: { title: "values", of: (w) => w.value, known: () => true },
  gradient: { title: "derivatives ∂E/∂w", of: (w) => w.gradient,
    known: (l) => isKnown("backward", l) },
  path: { title: "paths delta·w", of: (w) => w.dE_dnet * w.value, known: (l) => isKnown("backward", l) },
};

const chosenUnitQuantity = () => (state.unitsBy !== "auto" ? state.unitsBy
  : state.phase > phaseIndex("error") ? "delta" : "activation");
const chosenEdgeQuantity = () => (state.edgesBy !== "auto" ? state.edgesBy
  : state.phase > phaseIndex("error") ? "gradient" : "value");

/* ---- places on the canvas ---- */

/* With few units there is room for the numbers around them; with many they go into the units. */
function layoutOf(width) {
  const most = Math.max(...shown.map((units) => units.length));
  const dense = most > 4, narrow = width < 480;
  const half = dense ? { x: narrow ? 28 : 31, y: 17 } : { x: narrow ? 18 : 22, y: narrow ? 18 : 22 };
  const row = dense ? 54 : most > 2 ? 100 : most > 1 ? 124 : 150;
  const top = 40, bottom = dense ? 4 : 22;
  const height = top + bottom + most * row;
  const margin = half.x + (dense ? 8 : narrow ? 22 : 46);
  const x = (place) => margin + (width - 2 * margin) * (place / (placeCount - 1));
  const y = (place, k) => top + (height - top - bottom) * ((k + 0.5) / shown[place].length) - (dense ? 0 : 8);
  return { width, height, half, x, y, dense, narrow };
}

/* ---- drawing ---- */

function shade(value, largest) {
  const share = largest > 0 && Number.isFinite(value) ? Math.min(1, Math.abs(value) / largest) : 0;
  const color = value < 0 ? "var(--negative)" : "var(--positive)";
  return `color-mix(in oklab, ${color} ${Math.round(8 + 44 * share)}%, var(--card))`;
}

function largestOf(values) {
  return values.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 0);
}

function svgLine(layout, l, to, from, weight, largest) {
  const quantity = edgeQuantities[chosenEdgeQuantity()];
  const known = quantity.known(l);
  const value = known ? quantity.of(weight) : 0;
  const share = largest > 0 ? Math.abs(value) / largest : 0;
  const x1 = layout.x(l) + layout.half.x, y1 = layout.y(l, from);
  const x2 = layout.x(l + 1) - layout.half.x, y2 = layout.y(l + 1, to);
  const item = { kind: "weight", layer: l, to, from };
  const width = known ? 1 + (layout.dense ? 3.5 : 5) * Math.sqrt(share) : 1;
  const sign = !known || value === 0 ? "unknown" : value < 0 ? "negative" : "positive";
  const title = `weight ${weightName(l, to, from)}, ${digits(weight.value)}`;
  return `<g class="edge ${sign}${chosenClass(item)}" data-item='${JSON.stringify(item)}' role="button"
    tabindex="-1" aria-label="${escaped(title)}"><title>${escaped(title)}</title>
    <line class="reach" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>
    <line class="ink" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke-width="${width.toFixed(2)}"
      opacity="${(known ? 0.3 + 0.7 * Math.sqrt(share) : layout.dense ? 0.12 : 0.35).toFixed(2)}"/></g>`;
}

/* The number of a weight on its line, where there is room. */
function svgLabel(layout, l, to, from, weight) {
  const quantity = edgeQuantities[chosenEdgeQuantity()];
  if (!quantity.known(l)) return "";
  const x1 = layout.x(l) + layout.half.x, x2 = layout.x(l + 1) - layout.half.x;
  const at = 0.27, x = x1 + (x2 - x1) * at;
  const y = layout.y(l, from) + (layout.y(l + 1, to) - layout.y(l, from)) * at;
  return `<text class="number" x="${x}" y="${y - 5}">${digits(quantity.of(weight), 3)}</text>`;
}

function chosenClass(item) {
  const c = state.chosen;
  if (!c) return "";
  if (same(c, item)) return " chosen";
  /* The paths of a hidden unit's effect; the weights of a unit. */
  if (c.kind === "unit" && item.kind === "weight") {
    if (item.layer === c.place - 1 && item.to === c.index) return " related";
    if (item.layer === c.place && item.from === c.index) return " related";
  }
  return "";
}

/* The lines of numbers of a unit: what it gives on; what comes back to it; what it should give. */
function unitNumbers(layout, place, k) {
  const name = chosenUnitQuantity();
  const quantity = unitQuantities[name];
  const lines = [];
  const back = place > 0 && name !== "activation" && quantity.known(place);
  if (unitQuantities.activation.known(place) && !(layout.dense && back))
    lines.push(["value", digits(outputOf(place, k), 4)]);
  if (back) lines.push(["value back", `${name === "delta" ? "δ" : "ε"} ${digits(quantity.of(place, k), layout.dense ? 2 : 4)}`]);
  if (place === layerCount && isKnown("error") && !layout.dense)
    lines.push(["value target", `t ${digits(frame().target[k], 4)}`]);
  return lines;
}

function svgUnit(layout, place, k, largest) {
  const quantity = unitQuantities[chosenUnitQuantity()];
  const x = layout.x(place), y = layout.y(place, k), { half, dense } = layout;
  const item = { kind: "unit", place, index: k };
  const fill = quantity.known(place) ? shade(quantity.of(place, k), largest) : "var(--card)";
  const given = givenName(place, k);
  const title = `unit ${unitName(place, k)}${given ? `, ${given}` : ""}`;
  const lines = unitNumbers(layout, place, k);
  const texts = lines.map(([kind, text], i) =>
    `<text class="${kind}" x="${x}" y="${dense ? y + 12 : y + half.y + 14 + 14 * i}">${text}</text>`);
  return `<g class="unit${dense ? " dense" : ""}${chosenClass(item)}" data-item='${JSON.stringify(item)}' role="button"
    tabindex="-1" aria-label="${escaped(title)}"><title>${escaped(title)}</title>
    <rect x="${x - half.x}" y="${y - half.y}" width="${2 * half.x}" height="${2 * half.y}" rx="${half.y}" fill="${fill}"/>
    <text class="name" x="${x}" y="${dense && lines.length ? y - 2 : y + 4}">${unitName(place, k)}</text>${texts.join("")}</g>`;
}

/* A bias, a gain or a shift: they stand side by side above their unit. */
function svgSmall(layout, kind, at, l, to) {
  const item = { kind, layer: l, to };
  const x = layout.x(l + 1) - layout.half.x + (layout.dense ? 6 : -2) + 18 * at;
  const y = layout.y(l + 1, to) - layout.half.y - (layout.dense ? 7 : 6);
  const value = { bias: biasOf, gain: gainOf, shift: shiftOf }[kind](l, to).value;
  const title = `${kind} of ${unitName(l + 1, to)}, ${digits(value)}`;
  return `<g class="bias${chosenClass(item)}" data-item='${JSON.stringify(item)}' role="button"
    tabindex="-1" aria-label="${escaped(title)}"><title>${escaped(title)}</title>
    <rect x="${x - 8}" y="${y - 7.5}" width="16" height="15" rx="4"/>
    <text class="name" x="${x}" y="${y + 4}">${kind[0]}</text></g>`;
}

function svgSmalls(layout, l, to) {
  const kinds = (data.architecture[l].bias ? ["bias"] : []).concat(normOf(l) ? ["gain", "shift"] : []);
  return kinds.map((kind, at) => svgSmall(layout, kind, at, l, to)).join("");
}

/* The way past a residual layer, from each unit to that of its number. */
function svgPast(layout, l) {
  return shown[l + 1].map((unit, to) => {
    const from = shown[l].indexOf(unit);
    if (from < 0) return "";
    const x1 = layout.x(l) + layout.half.x * 0.6, y1 = layout.y(l, from) + layout.half.y * 0.8;
    const x2 = layout.x(l + 1) - layout.half.x * 0.6, y2 = layout.y(l + 1, to) + layout.half.y * 0.8;
    const low = Math.max(y1, y2) + (layout.dense ? 12 : 26);
    return `<path class="past" d="M${x1} ${y1} C${x1 + 30} ${low} ${x2 - 30} ${low} ${x2} ${y2}"><title>past the layer: ${
      escaped(unitName(l, from))} is added to ${escaped(unitName(l + 1, to))}</title></path>`;
  }).join("");
}

function placeTitle(place, narrow) {
  const more = allShown(place) ? "" : ` (${shown[place].length} of ${unitCount(place)})`;
  if (place === 0) return `inputs${more}`;
  const layer = data.architecture[place - 1];
  const also = narrow ? "" : (normOf(place - 1) ? `${layer.norm}, ` : "");
  return `${also}${layer.activation}${layer.residual && !narrow ? " + inputs" : ""}${more}`;
}

function drawGraph(holder) {
  const layout = layoutOf(Math.max(280, holder.clientWidth));
  const edges = [], labels = [], units = [], biases = [], titles = [], past = [];
  const edgeCount = frame().weights.length;
  for (let l = 0; l < layerCount; ++l) {
    if (isResidual(l)) past.push(svgPast(layout, l));
    const quantity = edgeQuantities[chosenEdgeQuantity()];
    const list = frame().weights.slice(weightStart[l],
      weightStart[l] + shown[l].length * shown[l + 1].length);
    const largest = largestOf(list.map(quantity.of));
    for (let to = 0; to < shown[l + 1].length; ++to)
      for (let from = 0; from < shown[l].length; ++from) {
        const weight = weightOf(l, to, from);
        edges.push(svgLine(layout, l, to, from, weight, largest));
        if (!layout.dense && edgeCount <= 24 && !layout.narrow)
          labels.push(svgLabel(layout, l, to, from, weight));
      }
  }
  for (let place = 0; place < placeCount; ++place) {
    const quantity = unitQuantities[chosenUnitQuantity()];
    const values = shown[place].map((_, k) => (quantity.known(place) ? quantity.of(place, k) : 0));
    const now = phase().layer !== undefined && phase().layer === place - 1 ? " now" : "";
    const [anchor, x] = place === 0 ? ["start", layout.x(0) - layout.half.x]
      : place === layerCount ? ["end", layout.x(place) + layout.half.x] : ["middle", layout.x(place)];
    titles.push(`<text class="title${now}" style="text-anchor: ${anchor}" x="${x}" y="16">${escaped(placeTitle(place, layout.narrow))}</text>`);
    for (let k = 0; k < shown[place].length; ++k) {
      units.push(svgUnit(layout, place, k, largestOf(values)));
      if (place > 0) biases.push(svgSmalls(layout, place - 1, k));
    }
  }
  /* What is chosen lies above the other lines. */
  edges.sort((a, b) => a.includes(" chosen") - b.includes(" chosen"));
  holder.innerHTML = `<svg viewBox="0 0 ${layout.width} ${layout.height}" width="${layout.width}"
    height="${layout.height}" role="group" tabindex="0" aria-label="The network: ${escaped(data.title)}">
    ${titles.join("")}${past.join("")}${edges.join("")}${labels.join("")}${units.join("")}${biases.join("")}</svg>`;
}
