"use strict";
/* layers.js - what norms and residual connections add to a step, in formulas with their numbers. */

const EPSILON = 1e-5;
const deviation = (l, k) => Math.sqrt(frame().layers[l].variance[k] + EPSILON);
const rootOf = (variance) => `<msqrt>${mrow(variance, mo("+"), mnumber(EPSILON))}</msqrt>`;
const isOfLayer = (l) => data.architecture[l].norm === "layernorm";

/* ---- norms, forward ---- */

function normForwardWords(l) {
  const x = mi("x̂");
  const whose = isOfLayer(l) ? "mean and variance over the layer"
    : "the mean and the variance that the training has found, since one sample is no batch";
  return `The norm (${escaped(data.architecture[l].norm)}) makes ${math(x, mo("="), mfrac(mrow(mi("net"), mo("−"), mi("m")), rootOf(mi("v"))))}
    of it, with ${whose}, and ${math(mi("y"), mo("="), mi("g"), mo("·"), x, mo("+"), mi("s"))}, with a gain and a shift that are learned.`;
}

function normEquations(l, k) {
  const layer = frame().layers[l], place = l + 1;
  return equation(unitSymbol("x̂", place, k),
    math(mfrac(mrow(mnumber(layer.net[k]), mo("−"), mnumber(layer.mean[k], true)), rootOf(mnumber(layer.variance[k])))), layer.normalised[k]) +
    equation(unitSymbol("y", place, k),
      math(mrow(mnumber(gainOf(l, k).value), mo("·"), mnumber(layer.normalised[k], true), mo("+"), mnumber(shiftOf(l, k).value, true))), layer.y[k]);
}

/* ---- norms, backward ---- */

const normBackwardWords = (l) => (isOfLayer(l) ? "through the norm in three ways" : "through the norm");

/* dE/dy, and the terms that make the delta of it. */
function normDeltaEquations(place, k) {
  const l = place - 1, layer = frame().layers[l];
  const of_y = equation(partial(mi("E"), unitSymbol("y", place, k)),
    math(mrow(mnumber(layer.effect[k]), mo("·"), mnumber(layer.slope[k], true))), layer.dE_dy[k]);
  const terms = [mnumber(layer.own[k])];
  if (isOfLayer(l)) terms.push(mnumber(layer.through_mean[k], true), mnumber(layer.through_variance[k], true));
  return of_y + normTerms(l, k) + equation(mrow(deltaSymbol(place, k), mo("="), partial(mi("E"), unitSymbol("net", place, k))),
    sumOf(terms), layer.delta[k]);
}

/* Each term with its numbers; the means are read off the terms, since not all units may be shown. */
function normTerms(l, k) {
  const layer = frame().layers[l], root = rootOf(mnumber(layer.variance[k]));
  const own = equation(mtext("own"),
    math(mfrac(mrow(mnumber(gainOf(l, k).value), mo("·"), mnumber(layer.dE_dy[k], true)), root)), layer.own[k]);
  if (!isOfLayer(l)) return own;
  const mean = -layer.through_mean[k] * deviation(l, k);
  const along = layer.normalised[k] === 0 ? 0 : -layer.through_variance[k] * deviation(l, k) / layer.normalised[k];
  return own + equation(mtext("through the mean"), math(mrow(mo("−"), mfrac(mnumber(mean, true), root))), layer.through_mean[k]) +
    equation(mtext("through the variance"),
      math(mrow(mo("−"), mfrac(mrow(mnumber(layer.normalised[k], true), mo("·"), mnumber(along, true)), root))), layer.through_variance[k]);
}

function normBlock(place, k) {
  const l = place - 1, d = mi("d"), x = mi("x̂"), root = rootOf(mi("v"));
  const general = [mfrac(d, root)];
  if (isOfLayer(l)) general.push(mfrac(mrow(mi("mean"), brackets(d)), root), mfrac(mrow(x, mo("·"), mi("mean"), brackets(mrow(d, mo("·"), x))), root));
  return factorBlock("norm", "3. Norm", partial(mi("E"), unitSymbol("net", place, k)),
    `<p>${words(normOf(l).why)}</p>
     <p class="formula">${math(partial(mi("E"), mi("net")))} = ${general.map((term) => math(term)).join(" − ")},
     with ${math(d, mo("="), mi("g"), mo("·"), partial(mi("E"), mi("y")))}</p>
     ${normEquations(l, k)}${normDeltaEquations(place, k)}`);
}

/* ---- one gain or shift ---- */

function normChainWords(l, to, kind) {
  const place = l + 1, layer = frame().layers[l], gain = kind === "gain";
  const p = gain ? gainOf(l, to) : shiftOf(l, to), own = gain ? gainSymbol(l, to) : shiftSymbol(l, to);
  const last = gain ? layer.normalised[to] : 1, y = partial(unitSymbol("y", place, to), own);
  const why = gain ? `The gain is multiplied with ${math(unitSymbol("x̂", place, to))}: that is its derivative.`
    : "The shift stands alone: its derivative is 1.";
  return `<h2>The ${kind} of ${unitName(place, to)}</h2>
    ${chainLines(own,
      math(product(colored("effect", effectSymbol(place, to)), colored("slope", slopeSymbol(place, to)), colored("norm", y))),
      math(product(colored("effect", mnumber(layer.effect[to])), colored("slope", mnumber(layer.slope[to], true)), colored("norm", mnumber(last, true)))),
      p.gradient)}
    ${effectBlock(place, to)}${slopeBlock(place, to)}
    ${factorBlock("norm", "3. Norm", y, `<p>${why}</p>${normEquations(l, to)}`)}
    ${checkBlock(p, own)}${stepBlock(p, own, kind)}`;
}

/* ---- residual connections ---- */

const residualForwardWords = () => "What came in is added to it: the unit gives on its activation and the output of the unit of its number.";
const residualBackwardWords = () => ` The next layer is <b>residual</b>: the unit is also added to the output of the unit of its number
  there, and what that does to the error is a second way, past the layer, with the factor 1.`;

function outputEquation(l, k) {
  const layer = frame().layers[l];
  return equation(outputSymbol(l + 1, k),
    math(mrow(mnumber(layer.activation[k]), mo("+"), mnumber(addedTo(l, k), true))), layer.output[k]);
}

/* Where a unit stands among those that are shown of another place; its own number where it is not. */
function numberIn(place, of, k) {
  const there = shown[place].indexOf(shown[of][k]);
  return there < 0 ? k : there;
}

/* What comes past the next layer, as a term of the effect. */
function pastTerm(place, k) {
  if (!isResidual(place)) return "";
  return ` + ${math(mnumber(frame().layers[place - 1].past[k], true))} <span class="dim">past the layer</span>`;
}
