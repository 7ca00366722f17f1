"use strict";
/* state.js - the data as the page uses it: units by place (0 is the inputs), what is known in which
 * step, what is chosen. */

const data = JSON.parse(document.getElementById("data").textContent);
const layerCount = data.architecture.length;
const placeCount = layerCount + 1;

const unitCount = (place) =>
  (place === 0 ? data.architecture[0].inputs : data.architecture[place - 1].outputs);
/* Numbers of the units that are shown, by place. */
const shown = Array.from({ length: placeCount }, (_, place) =>
  (data.shown ? data.shown[place] : Array.from({ length: unitCount(place) }, (__, k) => k)));

/* Whether a layer is normalised, and how; whether its inputs are added to its outputs. */
const normOf = (l) => data.norms[data.architecture[l].norm] || null;
const isResidual = (l) => data.architecture[l].residual;

/* ---- names ---- */

function unitName(place, index) {
  const number = shown[place][index] + 1;
  if (place === 0) return `x${number}`;
  if (place === layerCount) return `o${number}`;
  return layerCount > 2 ? `h${place}.${number}` : `h${number}`;
}

const unitSymbol = (base, place, index) => msub(mi(base), mtext(unitName(place, index)));
/* The output of a unit: of an input, the input itself; of a residual layer the activation and what goes
 * past it. */
const outputSymbol = (place, index) =>
  (place === 0 ? mi(unitName(0, index)) : unitSymbol(isResidual(place - 1) ? "out" : "a", place, index));
const weightName = (l, to, from) => `${unitName(l, from)}→${unitName(l + 1, to)}`;
const weightSymbol = (l, to, from) => msub(mi("w"), mtext(weightName(l, to, from)));
const gainSymbol = (l, to) => msub(mi("g"), mtext(unitName(l + 1, to)));
const shiftSymbol = (l, to) => msub(mi("s"), mtext(unitName(l + 1, to)));
const biasSymbol = (l, to) => msub(mi("b"), mtext(unitName(l + 1, to)));

function givenName(place, index) {
  const names = place === 0 ? data.input_names : place === layerCount ? data.output_names : null;
  return names ? names[shown[place][index]] : null;
}

function layerTitle(l) {
  if (l + 1 === layerCount) return layerCount === 1 ? "the layer" : "the output layer";
  return layerCount === 2 ? "the hidden layer" : `hidden layer ${l + 1}`;
}

/* ---- numbers ---- */

/* Where a layer's weights begin in a frame's list, which goes layer by layer, row by row. */
const weightStart = [], biasStart = [], normStart = [];
{
  let weights = 0, biases = 0, norms = 0;
  for (let l = 0; l < layerCount; ++l) {
    weightStart.push(weights);
    biasStart.push(biases);
    normStart.push(norms);
    weights += shown[l].length * shown[l + 1].length;
    if (data.architecture[l].bias) biases += shown[l + 1].length;
    if (normOf(l)) norms += shown[l + 1].length;
  }
}

const state = { frame: 0, phase: 0, chosen: null, unitsBy: "auto", edgesBy: "auto" };

const frame = () => data.frames[state.frame];
const weightOf = (l, to, from) => frame().weights[weightStart[l] + to * shown[l].length + from];
const biasOf = (l, to) => (data.architecture[l].bias ? frame().biases[biasStart[l] + to] : null);
const gainOf = (l, to) => (normOf(l) ? frame().gains[normStart[l] + to] : null);
const shiftOf = (l, to) => (normOf(l) ? frame().shifts[normStart[l] + to] : null);
const outputOf = (place, index) =>
  (place === 0 ? frame().input[index] : frame().layers[place - 1].output[index]);
/* What a layer's function takes. */
const takenOf = (l, k) => (normOf(l) ? frame().layers[l].y[k] : frame().layers[l].net[k]);
/* What is added to the activation of a residual layer's unit: the output of that of its number. */
function addedTo(l, k) {
  const before = shown[l].indexOf(shown[l + 1][k]), layer = frame().layers[l];
  return before < 0 ? layer.output[k] - layer.activation[k] : outputOf(l, before);
}
const allShown = (place) => shown[place].length === unitCount(place);

/* ---- steps ---- */

const phases = [{ kind: "start" }];
for (let l = 0; l < layerCount; ++l) phases.push({ kind: "forward", layer: l });
phases.push({ kind: "error" });
for (let l = layerCount - 1; l >= 0; --l) phases.push({ kind: "backward", layer: l });
phases.push({ kind: "update" });

const phase = () => phases[state.phase];
const phaseIndex = (kind, layer) => phases.findIndex((p) => p.kind === kind && p.layer === layer);
const isKnown = (kind, layer) => state.phase >= phaseIndex(kind, layer);

function phaseName() {
  const p = phase();
  const names = {
    start: "before the step",
    forward: `forward: ${p.layer === undefined ? "" : layerTitle(p.layer)}`,
    error: "the error",
    backward: `backward: ${p.layer === undefined ? "" : layerTitle(p.layer)}`,
    update: "the update",
  };
  const step = data.steps > 1 ? `step ${frame().step} · ` : "";
  return step + names[p.kind];
}

/* ---- what is chosen ---- */

/* {kind: "weight", layer, to, from} | {kind: "bias" | "gain" | "shift", layer, to}
 * | {kind: "unit", place, index} */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/* Everything that can be chosen, in the order of the arrow keys. */
const choices = [];
for (let l = 0; l < layerCount; ++l)
  for (let to = 0; to < shown[l + 1].length; ++to) {
    for (let from = 0; from < shown[l].length; ++from)
      choices.push({ kind: "weight", layer: l, to, from });
    if (data.architecture[l].bias) choices.push({ kind: "bias", layer: l, to });
    if (normOf(l)) choices.push({ kind: "gain", layer: l, to }, { kind: "shift", layer: l, to });
    choices.push({ kind: "unit", place: l + 1, index: to });
  }
