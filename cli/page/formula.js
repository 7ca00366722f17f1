"use strict";
/* formula.js - numbers and formulas as text and as MathML. The rules' formulas are parsed, and shown
 * with letters or with numbers put in. */

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/* A number with so many digits, a real minus sign, no zeros at the end: "0.25", "−1.5e−7". */
function digits(value, count = 6) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size < 1e-3 || size >= 1e7 ? value.toExponential(count - 1) : value.toPrecision(count);
  const [mantissa, exponent] = text.split("e");
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return (exponent ? `${short}e${Number(exponent)}` : short).replaceAll("-", "−");
}

const mo = (sign) => `<mo>${sign}</mo>`;
const mi = (name) => `<mi>${name}</mi>`;
const mtext = (text) => `<mtext>${escaped(text)}</mtext>`;
const mrow = (...parts) => `<mrow>${parts.join("")}</mrow>`;
const mfrac = (above, below) => `<mfrac>${mrow(above)}${mrow(below)}</mfrac>`;
const msub = (base, below) => `<msub>${base}${below}</msub>`;
const msup = (base, above) => `<msup>${base}${mrow(above)}</msup>`;
const brackets = (inner) => mrow(`<mo stretchy="false">(</mo>`, inner, `<mo stretchy="false">)</mo>`);
const tallBrackets = (inner) => mrow(mo("("), inner, mo(")"));
const math = (...parts) => `<math>${parts.join("")}</math>`;
const block = (...parts) => `<div class="formula"><math display="block">${parts.join("")}</math></div>`;

/* A number; as a factor it stands in brackets where it is negative. */
function mnumber(value, factor) {
  const text = digits(value);
  const [mantissa, exponent] = text.replace(/^−/, "").split("e");
  let shown = `<mn>${mantissa}</mn>`;
  if (exponent) {
    const power = exponent.startsWith("−")
      ? mo("−") + `<mn>${exponent.slice(1)}</mn>` : `<mn>${exponent}</mn>`;
    shown = mrow(shown, mo("·"), msup("<mn>10</mn>", power));
  }
  if (!text.startsWith("−")) return shown;
  return factor ? brackets(mo("−") + shown) : mrow(mo("−"), shown);
}

const colored = (kind, inner) => `<mrow class="${kind}">${inner}</mrow>`;

/* ---- formulas ---- */

/* The grammar is that of bp_rule in backprop_explain.h. */
function parseFormula(text) {
  const tokens = text.match(/[A-Za-z]+|[0-9.]+|[-+*/^(),<>]/g) || [];
  let at = 0;
  const peek = () => tokens[at];
  const take = (token) => tokens[at] === token && ++at > 0;

  function atom() {
    if (take("(")) {
      const inner = choice();
      take(")");
      return { kind: "group", inner };
    }
    const token = tokens[at++];
    if (/^[0-9.]/.test(token)) return { kind: "number", value: Number(token) };
    if (token.length === 1 || peek() !== "(") return { kind: "letter", name: token };
    take("(");
    const values = [choice()];
    while (take(",")) values.push(choice());
    take(")");
    return { kind: "call", name: token, values };
  }
  function power() {
    if (take("-")) return { kind: "minus", inner: power() };
    const base = atom();
    return take("^") ? { kind: "power", base, above: power() } : base;
  }
  function product() {
    let left = power();
    for (;;) {
      if (take("*")) left = { kind: "times", left, right: power() };
      else if (take("/")) left = { kind: "over", left, right: power() };
      else return left;
    }
  }
  function sum() {
    let left = product();
    for (;;) {
      if (take("+")) left = { kind: "sum", sign: "+", left, right: product() };
      else if (take("-")) left = { kind: "sum", sign: "−", left, right: product() };
      else return left;
    }
  }
  function choice() {
    const value = sum();
    if (!take("if")) return value;
    const left = sum();
    const sign = tokens[at++];
    const right = sum();
    take("else");
    return { kind: "choice", value, left, sign, right, other: choice() };
  }
  return choice();
}

const ungroup = (node) => (node.kind === "group" ? node.inner : node);

/* MathML of a formula; letters[name] is what a letter stands for, as MathML. */
function showFormula(node, letters) {
  const show = (inner) => showFormula(inner, letters);
  switch (node.kind) {
    case "number": return `<mn>${node.value}</mn>`;
    case "letter": return letters[node.name] || mi(node.name);
    case "group": return brackets(show(node.inner));
    case "minus": return mrow(mo("−"), show(node.inner));
    case "power": return msup(show(node.base), show(ungroup(node.above)));
    case "times": return mrow(show(node.left), mo("·"), show(node.right));
    case "over": return mfrac(show(ungroup(node.left)), show(ungroup(node.right)));
    case "sum": return mrow(show(node.left), mo(node.sign), show(node.right));
    case "call":
      if (node.name === "abs") return mrow(mo("|"), show(node.values[0]), mo("|"));
      return mrow(mi(node.name), brackets(node.values.map(show).join(mo(","))));
    default:
      return mrow(show(node.value), mtext(" if "), show(node.left),
        mo(node.sign === ">" ? "&gt;" : "&lt;"), show(node.right), mtext(", else "), show(node.other));
  }
}

const formula = (text, letters) => (text
  ? text.split("=").map((side) => showFormula(parseFormula(side), letters)).join(mo("=")) : mtext("?"));

/* Words in which formulas stand between backquotes. */
const words = (text) => text.split("`").map((part, i) =>
  (i % 2 ? math(formula(part, { z: mi("net") })) : escaped(part))).join("");
