"use strict";
/* words.js - what happens in a step, and one parameter's derivative factor by factor, in formulas with
 * their numbers. */

const activationRule = (l) => data.activations[data.architecture[l].activation];
const partial = (above, below) => mfrac(mrow(mo("∂"), above), mrow(mo("∂"), below));
/* After the step. */
const newSymbol = (symbol) => mrow(symbol.replace(/<mi>([wbgs])<\/mi>/, "<mi>$1′</mi>"));
const effectSymbol = (place, k) => partial(mi("E"), unitSymbol("a", place, k));
/* What a layer's function takes: the net input, or what a norm has made of it. */
const takenName = (l) => (normOf(l) ? "y" : "net");
const takenSymbol = (place, k) => unitSymbol(takenName(place - 1), place, k);
const slopeSymbol = (place, k) => partial(unitSymbol("a", place, k), takenSymbol(place, k));
const deltaSymbol = (place, k) => unitSymbol("δ", place, k);

/* A sum that may break between its terms. */
function sumOf(terms, more) {
  const MOST = 6;
  const some = terms.slice(0, MOST).map((term) => math(term));
  const left = terms.length - some.length + (more || 0);
  return some.join(" + ") + (left > 0 ? ` + … (${left} more)` : "");
}
const result = (value) => `<strong class="result">${math(mnumber(value))}</strong>`;
const equation = (left, middle, value) =>
  `<p class="formula">${math(left)} = ${middle} = ${result(value)}</p>`;

/* The lines of each unit of a place; those beyond the first few can be opened. The unit that is chosen
 * comes first. */
function unitLines(place, lines) {
  const MOST = 4;
  const c = state.chosen;
  const first = !c ? -1 : c.kind === "unit" && c.place === place ? c.index
    : c.kind !== "unit" && c.layer === place - 1 ? c.to : -1;
  const order = shown[place].map((_, k) => k).sort((a, b) => (b === first) - (a === first) || a - b);
  const blocks = order.map((k) => `<div class="unit-lines">${lines(k)}</div>`);
  const rest = blocks.slice(MOST);
  return blocks.slice(0, MOST).join("") + (rest.length
    ? `<details class="more"><summary>${rest.length} more units</summary>${rest.join("")}</details>` : "");
}

/* ---- forward ---- */

function netTerms(l, to) {
  return shown[l].map((_, from) =>
    mrow(mnumber(weightOf(l, to, from).value, from > 0), mo("·"), mnumber(outputOf(l, from), true)));
}

function netEquation(l, to) {
  const terms = netTerms(l, to);
  const hidden = unitCount(l) - shown[l].length;
  if (data.architecture[l].bias) terms.push(mnumber(biasOf(l, to).value, true));
  return equation(unitSymbol("net", l + 1, to), sumOf(terms, hidden), frame().layers[l].net[to]);
}

/* The sum of e^net over all units, for softmax: from one share of it, since not all may be shown. */
function shareSum(l) {
  const { net, activation } = frame().layers[l];
  const k = activation.indexOf(Math.max(...activation));
  return Math.exp(net[k]) / activation[k];
}

function activationEquation(l, to) {
  const letters = { z: mnumber(takenOf(l, to), true), s: mnumber(shareSum(l)) };
  return equation(unitSymbol("a", l + 1, to), math(formula(activationRule(l).formula, letters)),
    frame().layers[l].activation[to]);
}

/* All equations of a unit on the way forward. */
const unitForward = (l, k) => netEquation(l, k) + (normOf(l) ? normEquations(l, k) : "") +
  activationEquation(l, k) + (isResidual(l) ? outputEquation(l, k) : "");

function forwardPhase(l) {
  const place = l + 1;
  const general = mrow(mi("net"), mo("="), mo("∑"), mi("w"), mo("·"), mi("a"),
    data.architecture[l].bias ? mo("+") + mi("b") : "");
  const own = mrow(mi("a"), mo("="), formula(activationRule(l).formula, { z: mi(takenName(l)), s: mi("s") }));
  const units = unitLines(place, (k) => unitForward(l, k));
  return `<h2>Forward through ${layerTitle(l)}</h2>
    <p>Every unit adds up what comes in, each input times its weight${data.architecture[l].bias ? ", and its bias" : ""}:
    ${math(general)}. ${normOf(l) ? normForwardWords(l) : ""} Its activation is ${math(own)}.
    ${isResidual(l) ? residualForwardWords() : ""}</p>${units}`;
}
/* ---- error ---- */

const lossLetters = (k) => ({
  a: mnumber(frame().output[k], true), t: mnumber(frame().target[k], true),
  n: `<mn>${unitCount(layerCount)}</mn>`, p: mnumber(data.loss_parameter),
});

function errorPhase() {
  const rule = data.loss_rule;
  const terms = shown[layerCount].map((_, k) => formula(rule.formula, lossLetters(k)));
  const general = formula(rule.formula, { a: mi("a"), t: mi("t"), n: mi("n") });
  return `<h2>The error</h2>
    <p>How far the outputs are from the targets, summed over the outputs:
    ${math(mi("E"), mo("="), mo("∑"), general)} (${escaped(rule.name)}).</p>
    ${equation(mi("E"), sumOf(terms, unitCount(layerCount) - shown[layerCount].length), frame().error)}`;
}

/* ---- backward ---- */

/* The effect of a unit: of an output from the error, of a hidden unit the sum over its paths. */
function effectEquation(place, k) {
  const left = effectSymbol(place, k);
  const value = frame().layers[place - 1].effect[k];
  if (place === layerCount)
    return equation(left, math(formula(data.loss_rule.derivative, lossLetters(k))), value);
  const terms = shown[place + 1].map((_, next) =>
    mrow(mnumber(frame().layers[place].delta[next], next > 0), mo("·"),
      mnumber(weightOf(place, next, k).value, true)));
  return equation(left, sumOf(terms, unitCount(place + 1) - shown[place + 1].length) + pastTerm(place, k), value);
}

function slopeEquation(place, k) {
  const l = place - 1;
  const letters = { a: mnumber(frame().layers[l].activation[k], true), z: mnumber(takenOf(l, k), true),
    s: mnumber(shareSum(l)) };
  return equation(slopeSymbol(place, k), math(formula(activationRule(l).derivative, letters)),
    frame().layers[l].slope[k]);
}

function deltaEquation(place, k) {
  if (normOf(place - 1)) return normDeltaEquations(place, k);
  const layer = frame().layers[place - 1];
  let product = mrow(mnumber(layer.effect[k]), mo("·"), mnumber(layer.slope[k], true));
  if (layer.coupled[k]) product += mo("+") + mnumber(layer.coupled[k], true);
  return equation(mrow(deltaSymbol(place, k), mo("="), partial(mi("E"), unitSymbol("net", place, k))),
    math(product), layer.delta[k]);
}

function pathFormula(place, k) {
  const next = shown[place + 1].map((_, n) =>
    mrow(deltaSymbol(place + 1, n), mo("·"), weightSymbol(place, n, k)));
  const past = isResidual(place) ? ` + ${math(partial(mi("E"), unitSymbol("a", place + 1, numberIn(place + 1, place, k))))}` : "";
  return `<p class="formula">${math(effectSymbol(place, k))} = ${sumOf(next, unitCount(place + 1) - shown[place + 1].length)}${past}</p>`;
}

function backwardPhase(l) {
  const place = l + 1, output = place === layerCount;
  const how = output
    ? `The error names each output's <b>effect</b> directly:
       ${math(partial(mi("E"), mi("a")), mo("="), formula(data.loss_rule.derivative, { a: mi("a"), t: mi("t"), n: mi("n") }))}.`
    : `A hidden unit acts on the error along every path to the next layer. Its <b>effect</b> is the sum over the paths,
       the delta at the end of each times the weight on the way. The weights are those of the way forward:
       none has been changed yet.${isResidual(place) ? residualBackwardWords() : ""}`;
  const coupled = frame().layers[l].coupled.some((value) => value !== 0)
    ? "<p>In a softmax every net input moves all outputs: what comes through the others is added.</p>" : "";
  const units = unitLines(place, (k) =>
    effectEquation(place, k) + slopeEquation(place, k) + deltaEquation(place, k));
  return `<h2>Backward through ${layerTitle(l)}</h2><p>${how}</p>
    <p>Times the <b>slope</b> ${math(partial(mi("a"), mi(takenName(l))), mo("="),
      formula(activationRule(l).derivative, { a: mi("a"), z: mi(takenName(l)), s: mi("s") }))} it becomes ${
      normOf(l) ? `${math(partial(mi("E"), mi("y")))}, and ${normBackwardWords(l)} the <b>delta</b>` : "the <b>delta</b>"};
    times what came in, the derivative of each weight.</p>${coupled}${units}`;
}

/* ---- start and update ---- */

function startPhase() {
  const named = (place, k) => (givenName(place, k) ? ` <span class="dim">${escaped(givenName(place, k))}</span>` : "");
  const inputs = shown[0].map((_, k) =>
    math(mi(unitName(0, k)), mo("="), mnumber(frame().input[k])) + named(0, k));
  const targets = shown[layerCount].map((_, k) =>
    math(unitSymbol("t", layerCount, k), mo("="), mnumber(frame().target[k])) + named(layerCount, k));
  const some = (list, count) => list.join(", ") + (list.length < count ? ", …" : "");
  return `<h2>Before the step</h2>
    <p>The sample: ${some(inputs, unitCount(0))}; it should give ${some(targets, unitCount(layerCount))}.</p>
    <p>Step on: the numbers run forward through the network to the error, and its effects back through it to
    every weight. Choose a weight to see where its derivative comes from.</p>`;
}

function updatePhase() {
  const before = frame().error, after = frame().error_after;
  const frozen = data.architecture.some((layer) => layer.frozen) ? " Biases are frozen: they keep their values." : "";
  const list = frame().weights.length > 12 ? "" : frame().weights.map((w, i) => {
    const [l, to, from] = placeOfWeight(i);
    return equation(newSymbol(weightSymbol(l, to, from)),
      math(mrow(mnumber(w.value), mo("−"), mnumber(data.learning_rate), mo("·"), mnumber(w.gradient, true))), w.updated);
  }).join("");
  return `<h2>The update</h2>
    <p>Now that all derivatives are known, every weight goes against its own, by the learning rate times it:
    ${math(newSymbol(mi("w")), mo("="), mi("w"), mo("−"), mnumber(data.learning_rate), mo("·"),
      partial(mi("E"), mi("w")))}.${frozen}</p>${list}
    <p>The error was ${result(before)} and is now ${result(after)}${
      Number.isFinite(after) ? `, ${after < before ? "smaller" : "larger"} by ${math(mnumber(Math.abs(before - after)))}` : ""}.</p>`;
}

function placeOfWeight(index) {
  let l = layerCount - 1;
  while (weightStart[l] > index) --l;
  const rest = index - weightStart[l];
  return [l, Math.floor(rest / shown[l].length), rest % shown[l].length];
}

function phaseWords() {
  const p = phase();
  switch (p.kind) {
    case "forward": return forwardPhase(p.layer);
    case "error": return errorPhase();
    case "backward": return backwardPhase(p.layer);
    case "update": return updatePhase();
    default: return startPhase();
  }
}

/* ---- one parameter ---- */

const factorBlock = (kind, title, symbol, inner) =>
  `<div class="factor ${kind}"><h3>${title} ${math(symbol)}</h3>${inner}</div>`;

function effectBlock(place, k) {
  const value = frame().layers[place - 1].effect[k];
  if (place === layerCount)
    return factorBlock("effect", "1. Effect", effectSymbol(place, k),
      `<p>${words(data.loss_rule.why)}</p>${effectEquation(place, k)}`);
  return factorBlock("effect", "1. Effect", effectSymbol(place, k),
    `<p>${unitName(place, k)} acts on the error through every unit that it feeds. By the chain rule each path gives the
     delta at its end times the weight on it, and the paths are added.${isResidual(place) ? residualBackwardWords() : ""}</p>
     ${pathFormula(place, k)}${effectEquation(place, k)}`) + (value === 0 ? "<p class=\"note\">The effect is 0: here nothing can be learned.</p>" : "");
}

function slopeBlock(place, k) {
  const rule = activationRule(place - 1);
  return factorBlock("slope", "2. Slope", slopeSymbol(place, k),
    `<p>${math(mi("a"), mo("="), formula(rule.formula, { z: mi(takenName(place - 1)), s: mi("s") }))}
     <span class="dim">(${escaped(rule.name)})</span>. ${words(rule.why)}</p>${slopeEquation(place, k)}`);
}

/* net as a sum, and below each term its derivative with respect to the chosen weight. */
function inputBlock(l, to, from) {
  const MOST = 2;
  const cells = [];
  const chosen = from === null ? -1 : from;
  const first = shown[l].map((_, i) => i).sort((a, b) => (b === chosen) - (a === chosen) || a - b);
  for (const i of first.slice(0, MOST))
    cells.push([mrow(weightSymbol(l, to, i), mo("·"), outputSymbol(l, i)),
      i === chosen ? outputSymbol(l, i) : "<mn>0</mn>", i === chosen]);
  if (unitCount(l) > MOST) cells.push([mo("…"), "<mn>0</mn>", false]);
  if (data.architecture[l].bias) cells.push([biasSymbol(l, to), from === null ? "<mn>1</mn>" : "<mn>0</mn>", from === null]);
  const own = from === null ? biasSymbol(l, to) : weightSymbol(l, to, from);
  const value = from === null ? 1 : outputOf(l, from);
  const symbol = partial(unitSymbol("net", l + 1, to), own);
  const table = cells.map(([term, derivative, mine], i) =>
    `<td${mine ? ' class="mine"' : ""}>${i ? "+ " : ""}${math(term)}<br><span class="below">${i ? "+ " : ""}${math(derivative)}</span></td>`).join("");
  const words_ = from === null
    ? "The bias stands alone: by the power rule its derivative is 1."
    : `In its own term the weight has the power 1: the power rule leaves what it is multiplied with, ${math(outputSymbol(l, from))}.`;
  return factorBlock("input", `${normOf(l) ? 4 : 3}. Input`, symbol,
    `<p>${words_} The other terms do not contain it: for it they are constants, and their derivatives vanish.</p>
     <div class="formula"><table class="terms"><tr><th>${math(unitSymbol("net", l + 1, to), mo("="))}<br><span class="below">${math(symbol, mo("="))}</span></th>${table}</tr></table></div>
     ${equation(symbol, math(from === null ? "<mn>1</mn>" : outputSymbol(l, from)), value)}`);
}

function coupledBlock(place, k) {
  const layer = frame().layers[place - 1];
  if (!layer.coupled[k]) return "";
  const terms = shown[place].map((_, j) => j).filter((j) => j !== k && layer.effect[j] !== 0).map((j) =>
    mrow(mnumber(layer.effect[j], true), mo("·"), brackets(mo("−") + mrow(mnumber(layer.activation[j]), mo("·"), mnumber(layer.activation[k])))));
  return factorBlock("coupled", "Paths through the other outputs", mrow(),
    `<p>The outputs of a softmax share one sum: the net input of ${unitName(place, k)} moves output j by −a<sub>j</sub>·a, and each
     passes its effect on.</p>${equation(mi("…"), terms.length ? sumOf(terms) : math(mi("…")), layer.coupled[k])}`);
}

/* By how much a parameter's central difference is off, and where the step takes it. */
function checkBlock(p, own) {
  const check = p.numerical === null ? "<p>No central difference was taken of this one.</p>"
    : `<p>Computed in another way, by changing it a little and looking at the error,
       ${math(mfrac(mrow(mi("E"), brackets(mrow(own, mo("+"), mi("h"))), mo("−"), mi("E"), brackets(mrow(own, mo("−"), mi("h")))), mrow("<mn>2</mn>", mi("h"))))}
       = ${result(p.numerical)}, it is off by ${math(mnumber(Math.abs(p.numerical - p.gradient)))}.</p>`;
  return `<div class="factor check"><h3>The check</h3>${check}</div>`;
}

function stepBlock(p, own, kind) {
  const direction = p.gradient === 0 ? "The derivative is 0: the error does not change with it, and it stays."
    : `The derivative is ${p.gradient > 0 ? "positive" : "negative"}: raising the ${kind}
       ${p.gradient > 0 ? "raises" : "lowers"} the error, so it goes ${p.gradient > 0 ? "down" : "up"}.`;
  const step = p.frozen ? `<p>Biases are frozen: it stays ${math(mnumber(p.value))}.</p>`
    : `<p>${direction}</p>${equation(newSymbol(own), math(mrow(mnumber(p.value), mo("−"), mnumber(data.learning_rate), mo("·"), mnumber(p.gradient, true))), p.updated)}`;
  return `<div class="factor step"><h3>The step</h3>${step}</div>`;
}

/* The chain itself: once in symbols, once in numbers, which may break between terms. */
const chainLines = (own, letters, numbers, value) =>
  `<div class="formula chain-rule">${math(partial(mi("E"), own), mo("="))} ${letters}</div>
    <div class="formula chain-rule">= ${numbers} = ${result(value)}</div>`;

const product = (...factors) => mrow(factors.join(mo("·")));
const flat = (bracket) => `<mo stretchy="false">${bracket}</mo>`;

/* (first + rest) · last, of which the sum may break. */
function sumTimes(first, rest, last) {
  if (!rest.length) return math(product(first, last));
  const terms = [flat("(") + first, ...rest];
  terms[terms.length - 1] += flat(")") + mo("·") + last;
  return terms.map((term) => math(mrow(term))).join(" + ");
}

function chainWords(l, to, from) {
  const place = l + 1, layer = frame().layers[l], norm = normOf(l);
  const p = from === null ? biasOf(l, to) : weightOf(l, to, from);
  const own = from === null ? biasSymbol(l, to) : weightSymbol(l, to, from);
  const others = norm ? [layer.through_mean[to], layer.through_variance[to]].filter((v) => v !== 0)
    : [layer.coupled[to]].filter((v) => v !== 0);
  const letters = [colored("effect", effectSymbol(place, to)), colored("slope", slopeSymbol(place, to))];
  const numbers = [colored("effect", mnumber(layer.effect[to])), colored("slope", mnumber(layer.slope[to], true))];
  if (norm) {
    letters.push(colored("norm", partial(unitSymbol("y", place, to), unitSymbol("net", place, to))));
    numbers.push(colored("norm", mnumber(gainOf(l, to).value / deviation(l, to), true)));
  }
  const kind = norm ? "norm" : "coupled", input = from === null ? 1 : p.dnet_dw;
  const name = from === null ? `The bias of ${unitName(place, to)}` : `The weight ${weightName(l, to, from)}`;
  return `<h2>${name}</h2>
    ${chainLines(own,
      sumTimes(product(...letters), others.length ? [colored(kind, mo("…"))] : [], colored("input", partial(unitSymbol("net", place, to), own))),
      sumTimes(product(...numbers), others.map((v) => colored(kind, mnumber(v, true))), colored("input", mnumber(input, true))),
      p.gradient)}
    ${effectBlock(place, to)}${slopeBlock(place, to)}${norm ? normBlock(place, to) : coupledBlock(place, to)}${inputBlock(l, to, from)}
    ${checkBlock(p, own)}${stepBlock(p, own, from === null ? "bias" : "weight")}`;
}

function unitWords(place, k) {
  const given = givenName(place, k);
  const title = `<h2>Unit ${unitName(place, k)}${given ? ` <span class="dim">${escaped(given)}</span>` : ""}</h2>`;
  if (place === 0) return `${title}<p>An input: ${math(mi(unitName(0, k)), mo("="), mnumber(frame().input[k]))}.</p>`;
  return `${title}${unitForward(place - 1, k)}
    ${effectBlock(place, k).replace("1. ", "")}${slopeBlock(place, k).replace("2. ", "")}${
    normOf(place - 1) ? normBlock(place, k).replace("3. ", "")
      : `${coupledBlock(place, k)}<p>Together its delta:</p>${deltaEquation(place, k)}`}`;
}

function chosenWords() {
  const c = state.chosen;
  if (!c) return "<h2>Choose a weight</h2>";
  if (c.kind === "unit") return unitWords(c.place, c.index);
  if (c.kind === "gain" || c.kind === "shift") return normChainWords(c.layer, c.to, c.kind);
  return chainWords(c.layer, c.to, c.kind === "bias" ? null : c.from);
}
