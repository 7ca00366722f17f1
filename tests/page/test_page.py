"""test_page.py - the pages of `backprop explain --html` in a real browser.

    test_page.py BACKPROP SOURCE_DIR

Steps advance, by key, button and slider; every number is that of --json; weights can be clicked; nothing
is written to the console and nothing asked of a network; narrow and wide, light and dark. Skips without a
browser (exit code 77). Prints one line a check; exits with 1 at the first that fails.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser  # noqa: E402

COMMAND, SOURCE = os.path.abspath(sys.argv[1]), sys.argv[2]
TWO_TWO_TWO = ["--layers", "2,2,2", "--weights", ".15,.2,.25,.3,.4,.45,.5,.55", "--biases",
               ".35,.35,.6,.6", "--freeze-bias", "--input", ".05,.1", "--target", ".01,.99"]
HOSTILE = "</script><img src=x onerror='window.broken=1'>&amp;\u2028"


def fail(text):
    sys.exit("FAILED: " + text)


def ok(text):
    print("ok: " + text)


def want(condition, text):
    if not condition:
        fail(text)


def backprop(*arguments):
    done = subprocess.run([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    if done.returncode != 0:
        fail("%s: exit code %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
    return done.stdout


def number(text):
    """What digits() of the page wrote, as a number; None for a dash."""
    return None if text == "–" else float(text.replace("−", "-"))


def equal(shown, value):
    """Six digits are shown; the last may be rounded the other way."""
    shown = number(shown)
    if shown is None or value is None:
        return shown is value
    return abs(shown - value) <= 0.51e-5 * abs(value) * 1.0001 + 1e-300


def tables(b):
    """{first cell of a row: the other cells} of all tables of numbers."""
    rows = b.evaluate("""[...document.querySelectorAll("#tables tbody tr")].map(
        (row) => [...row.children].map((cell) => cell.textContent))""")
    return {row[0]: row[1:] for row in rows}


def unit_name(architecture, place, unit):
    last = len(architecture)
    kind = "x" if place == 0 else "o" if place == last else "h"
    return "%s%s%d" % (kind, "%d." % place if kind == "h" and last > 2 else "", unit + 1)


def expected_rows(about, frame):
    """What the tables should hold, from the JSON."""
    rows, architecture = {}, about["architecture"]
    for l, layer in enumerate(frame["layers"]):
        for k in range(len(layer["net"])):
            rows[unit_name(architecture, l + 1, k)] = [
                layer[key][k] for key in ("net", "activation", "slope", "effect", "delta")]
        if architecture[l]["norm"] != "none":
            for k in range(len(layer["net"])):
                rows["norm " + unit_name(architecture, l + 1, k)] = [
                    layer[key][k] for key in ("mean", "variance", "normalised", "y", "dE_dy", "own",
                                              "through_mean", "through_variance")]
        if architecture[l]["residual"]:
            for k, output in enumerate(layer["output"]):
                rows["out " + unit_name(architecture, l + 1, k)] = [
                    layer["activation"][k], frame["layers"][l - 1]["output"][k], output]
    for kind, last in ("gain", "dy_dgain"), ("shift", "dy_dshift"):
        for w in frame[kind + "s"]:
            layer = frame["layers"][w["layer"]]
            rows["%s→%s" % (kind, unit_name(architecture, w["layer"] + 1, w["to"]))] = [
                w["value"], layer["effect"][w["to"]], layer["slope"][w["to"]], w[last], w["gradient"],
                w["numerical"], w["updated"]]
    for w in frame["weights"]:
        name = "%s→%s" % (unit_name(architecture, w["layer"], w["from"]),
                          unit_name(architecture, w["layer"] + 1, w["to"]))
        rows[name] = [w[key] for key in ("value", "dE_da", "da_dnet", "dnet_dw", "gradient",
                                         "numerical", "updated")]
    for w in frame["biases"]:
        name = "bias→" + unit_name(architecture, w["layer"] + 1, w["to"])
        rows[name] = [w[key] for key in ("value", "dE_da", "da_dnet", "dnet_db", "gradient",
                                         "numerical", "updated")]
    return rows


def differences(shown, expected):
    """Names of rows that differ."""
    return [name for name in set(shown) | set(expected)
            if name not in shown or name not in expected or
            not all(map(equal, shown[name], expected[name]))]


def quiet(b, what):
    want(not b.messages, "%s: the console says: %s" % (what, b.messages[:3]))
    others = [r for r in b.requests if not r.startswith(("file:", "about:"))]
    want(not others, "%s: the page asked for %s" % (what, others[:3]))


def phase_of(b):
    return b.evaluate("document.getElementById('phase-name').textContent")


def at_end(b):
    return b.evaluate("document.getElementById('next').disabled")


# ---- the checks ----------------------------------------------------------------------------------


def check_steps(b):
    """Forward, error, backward, update, by key; back by button; anywhere by slider."""
    wanted = ["before the step", "forward: the hidden layer", "forward: the output layer", "the error",
              "backward: the output layer", "backward: the hidden layer", "the update"]
    seen, bodies = [phase_of(b)], {b.evaluate("document.getElementById('phase').innerHTML")}
    while not at_end(b):
        b.press("ArrowRight")
        seen.append(phase_of(b))
        bodies.add(b.evaluate("document.getElementById('phase').innerHTML"))
        want(len(seen) < 100, "the steps do not end")
    want(seen == wanted, "the steps are %s" % seen)
    want(len(bodies) == len(wanted), "steps look the same")
    b.evaluate("document.getElementById('back').click()")
    want(phase_of(b) == wanted[-2], "the button does not go back")
    b.evaluate("""const s = document.getElementById('slider'); s.value = 3;
                  s.dispatchEvent(new Event('input'))""")
    want(phase_of(b) == wanted[3], "the slider does not go to the error")
    b.press("Home")
    want(phase_of(b) == wanted[0] and not at_end(b), "Home does not go to the beginning")
    b.press("End")
    want(at_end(b), "End does not go to the end")
    text = b.evaluate("document.getElementById('phase').innerText")
    want("0.298371" in text and "0.291028" in text, "the errors before and after: %s" % text)
    b.press("Home")
    ok("steps advance by key, button and slider")


def check_numbers(b, page_data, about, frame):
    differing = differences(tables(b), expected_rows(about, frame))
    want(not differing, "numbers differ from --json: %s" % differing)
    # The check of the check: one digit changed in the page's data is noticed.
    b.evaluate("frame().weights[0].gradient *= 1.0001; draw()")
    differing = differences(tables(b), expected_rows(about, frame))
    want(len(differing) == 1, "a planted difference went unnoticed")
    b.evaluate("frame().weights[0].gradient /= 1.0001; draw()")
    ok("%d rows of numbers are those of --json, %d known to the page" %
       (len(expected_rows(about, frame)), len(page_data["frames"])))


def strong_numbers(b, where):
    """The results that a part of the page shows, as numbers."""
    return [number(text.replace("·10", "e").replace(" ", "")) for text in b.evaluate(
        """[...document.querySelectorAll("%s .result")].map((r) => r.textContent)""" % where)]


def check_clicks(b, frame):
    """Every weight can be clicked where it is drawn, and shows its own chain."""
    places = b.evaluate("""[...document.querySelectorAll("#graph .edge")].map((edge) => {
        const line = edge.querySelector(".reach"), box = line.ownerSVGElement.getBoundingClientRect();
        const at = (a, b) => Number(line.getAttribute(a)) * 0.8 + Number(line.getAttribute(b)) * 0.2;
        return { item: JSON.parse(edge.dataset.item), x: box.x + at("x1", "x2"), y: box.y + at("y1", "y2") };
    })""")
    want(len(places) == len(frame["weights"]), "%d weights are drawn" % len(places))
    for place in places:
        b.click(place["x"], place["y"])
        item = place["item"]
        chosen = b.evaluate("state.chosen")
        want(chosen == item, "a click on %s chose %s" % (item, chosen))
        w = next(w for w in frame["weights"] if (w["layer"], w["to"], w["from"]) ==
                 (item["layer"], item["to"], item["from"]))
        results = strong_numbers(b, "#chain")
        for key in "gradient", "dE_da", "da_dnet", "dnet_dw", "numerical", "updated":
            want(any(r is not None and abs(r - w[key]) <= 1e-5 * abs(w[key]) for r in results),
                 "the chain of %s does not show %s = %g: %s" % (item, key, w[key], results))
    text = b.evaluate("document.getElementById('chain').textContent")
    for words in "power rule", "chain rule", "their derivatives vanish":
        want(words in text, "the chain does not tell of: %s" % words)
    b.press("ArrowDown")
    want(b.evaluate("state.chosen") != places[-1]["item"], "the arrow key chooses nothing")
    ok("all %d weights can be clicked and show their factors" % len(places))


def check_mathml(b):
    heights = b.evaluate("""[...document.querySelectorAll("#chain .chain-rule mfrac")].map((f) => {
        const [above, below] = [...f.children].map((c) => c.getBoundingClientRect());
        return below.top - above.top; })""")
    want(len(heights) == 4 and all(h > 5 for h in heights), "fractions are not drawn: %s" % heights)
    ok("formulas are drawn as MathML")


def check_screens(b, what):
    """No screen is too narrow, and every text is told from its ground."""
    for width in 320, 390, 768, 1280:
        for dark in False, True:
            b.screen(width, 900, dark, width < 600)
            over = b.evaluate("document.documentElement.scrollWidth")
            want(over <= width, "%s: %d pixels wide on a screen of %d" % (what, over, width))
            contrast = b.evaluate("""(() => {
                const light = (color) => { const [r, g, b] = color.match(/[0-9.]+/g).map(Number).map((v) =>
                    (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
                const card = light(getComputedStyle(document.getElementById("chain")).backgroundColor);
                const of = (name) => { const probe = document.createElement("span");
                    probe.style.color = `var(--${name})`; document.body.append(probe);
                    const own = light(getComputedStyle(probe).color); probe.remove();
                    return (Math.max(own, card) + 0.05) / (Math.min(own, card) + 0.05); };
                return ["ink", "dim", "effect", "slope", "input", "coupled", "positive", "negative"]
                    .map((name) => [name, of(name)]); })()""")
            for name, ratio in contrast:
                want(ratio >= 4.5, "%s on the card has a contrast of %.2f" % (name, ratio))
    b.screen(1280, 900)
    ok("%s: four widths, light and dark" % what)


def check_two_two_two(b, folder):
    page = os.path.join(folder, "two.html")
    backprop("explain", *TWO_TWO_TWO, "--html", page, "-q")
    about = json.loads(backprop("explain", *TWO_TWO_TWO, "--json"))
    b.open("file://" + page)
    b.screen(1280, 900)
    page_data = b.evaluate("data")
    check_steps(b)
    check_numbers(b, page_data, about, about)
    check_clicks(b, about)
    check_mathml(b)
    check_screens(b, "a small network")
    quiet(b, "a small network")

    backprop("explain", *TWO_TWO_TWO, "--steps", "10000", "--html", page, "-q")
    about = json.loads(backprop("explain", *TWO_TWO_TWO, "--steps", "10000", "--json"))
    b.open("file://" + page)
    check_numbers(b, b.evaluate("data"), about, about)
    b.press("End")
    want(phase_of(b).startswith("step 10000"), "the last step is %s" % phase_of(b))
    last = strong_numbers(b, "#phase")[-1]
    want(abs(last - about["error_after"]) <= 1e-5 * last, "the last error is %g" % last)
    quiet(b, "ten thousand steps")
    ok("ten thousand steps in %d looks" % b.evaluate("data.frames.length"))


def check_model(b, folder):
    """A classifier whose classes have names that would like to be more than names."""
    draw = random.Random(4)
    names = ["rose", HOSTILE, "tulip"]
    data, model, page = (os.path.join(folder, n) for n in ("d.csv", "m.safetensors", "m.html"))
    with open(data, "w", encoding="utf-8") as file:
        file.write('a,"b<b>",kind\n')
        for i in range(60):
            file.write('%.3f,%.3f,"%s"\n' % (i % 3 + draw.random(), draw.random() - i % 3,
                                            names[i % 3].replace('"', '""')))
    backprop("train", data, "-q", "--hidden", "5:tanh,4", "--epochs", "5", "--device", "reference",
             "-o", model)
    backprop("explain", model, data, "--row", "2", "--html", page, "-q")
    about = json.loads(backprop("explain", model, data, "--row", "2", "--json"))
    b.open("file://" + page)
    check_numbers(b, b.evaluate("data"), about, about)
    want(b.evaluate("window.broken") is None, "a class name was run as a script")
    text = b.evaluate("document.getElementById('survey').innerText")
    want("</script><img src=x" in text, "the class name is not shown as it is: %s" % text[-400:])
    want(b.evaluate("document.querySelectorAll('#survey .histogram svg').length") == 12,
         "histograms are missing")
    while not at_end(b):
        b.press("ArrowRight")
    for _ in range(30):
        b.press("ArrowDown")
    check_screens(b, "a model")
    quiet(b, "a model")
    ok("a model with three layers, and names that are not harmless")


def check_large(b, folder):
    sample, page = os.path.join(folder, "x.txt"), os.path.join(folder, "large.html")
    draw = random.Random(5)
    with open(sample, "w") as file:
        file.write("\n".join("%.4f" % max(0, draw.random() - 0.4) for _ in range(784)))
    arguments = ["explain", "--layers", "784,128,10", "--activation", "relu", "--loss", "cross_entropy",
                 "--input", sample, "--target", "0,0,0,1,0,0,0,0,0,0"]
    best = 1e9
    for _ in range(3):
        start = time.monotonic()
        backprop(*arguments, "--html", page, "-q")
        best = min(best, time.monotonic() - start)
    size = os.path.getsize(page)
    want(best < 2, "784-128-10 takes %.2f s" % best)
    want(size < 5e6, "784-128-10 makes a page of %d bytes" % size)
    about = json.loads(backprop(*arguments, "--json"))
    b.open("file://" + page)
    shown = b.evaluate("data.shown")
    picked = dict(about, layers=[], biases=[w for w in about["biases"] if w["to"] in shown[w["layer"] + 1]])
    picked["weights"] = [w for w in about["weights"]
                         if w["to"] in shown[w["layer"] + 1] and w["from"] in shown[w["layer"]]]
    expected = expected_rows(about, picked)
    for l, layer in enumerate(about["layers"]):
        for k in shown[l + 1]:
            expected[unit_name(about["architecture"], l + 1, k)] = [
                layer[key][k] for key in ("net", "activation", "slope", "effect", "delta")]
    differing = differences(tables(b), expected)
    want(not differing, "numbers differ from --json: %s" % differing[:5])
    want(b.evaluate("document.querySelectorAll('#survey .histogram svg').length") == 8,
         "histograms are missing")
    while not at_end(b):
        b.press("ArrowRight")
    check_screens(b, "a large network")
    quiet(b, "a large network")
    ok("784-128-10 in %.2f s, %.2f MB" % (best, size / 1e6))


def check_norms(b, folder):
    """Norms and residual connections: every number that of --json, chains of gains and shifts, light and
    dark, narrow and wide."""
    data, model, page = (os.path.join(folder, name) for name in ("n.csv", "n.safetensors", "n.html"))
    draw = random.Random(4)
    with open(data, "w") as file:
        file.write("a,b,kind\n")
        for i in range(60):
            x, y = draw.gauss(0, 1), draw.gauss(0, 1)
            file.write("%.4f,%.4f,%s\n" % (x, y, "yes" if x + y > 0 else "no"))
    for hidden, terms in (("3:tanh:layernorm,3:gelu:layernorm:residual", 3), ("3:tanh:batchnorm,3:residual", 1)):
        backprop("train", data, "--hidden", hidden, "--epochs", "20", "--device", "reference", "-q", "-o", model)
        about = json.loads(backprop("explain", model, data, "--row", "2", "--json"))
        backprop("explain", model, data, "--row", "2", "--html", page, "-q")
        b.open("file://" + page)
        while not at_end(b):
            b.press("ArrowRight")
            want("undefined" not in b.evaluate("document.body.innerText"), "undefined in %s" % hidden)
        differing = differences(tables(b), expected_rows(about, about))
        want(not differing, "%s: numbers differ from --json: %s" % (hidden, differing[:5]))
        want(b.evaluate("document.querySelectorAll('#graph .past').length") == 3, "the ways past are missing")
        chain = b.evaluate("""choose({kind: "weight", layer: 0, to: 1, from: 0});
                              document.getElementById("chain").innerText""")
        want(("through the variance" in chain) == (terms == 3), "%s: the terms of the norm: %s" % (hidden, chain))
        want("past the layer" in chain, "%s: the way past is missing: %s" % (hidden, chain))
        for kind in "gain", "shift":
            chain = b.evaluate("""choose({kind: "%s", layer: 0, to: 1});
                                  document.getElementById("chain").innerText""" % kind)
            want("The %s of h1.2" % kind in chain and "NaN" not in chain, "%s: %s" % (kind, chain))
        check_screens(b, hidden)
        quiet(b, hidden)
    ok("norms and residual connections")


def check_every_function(b, folder):
    """Rules that the page must be able to read, whatever there is."""
    page = os.path.join(folder, "f.html")
    rules = 0
    for name in backprop("explain", "--help").split("--activation")[1].split("{")[1].split("}")[0].split(","):
        name = name.strip()
        if name == "auto":
            continue
        backprop("explain", "--layers", "2,3,1", "--activation", name, "--input", ".3,.6", "--target", ".5",
                 "--html", page, "-q")
        b.open("file://" + page)
        while not at_end(b):
            b.press("ArrowRight")
            want("undefined" not in b.evaluate("document.body.innerText"), "undefined in %s" % name)
        quiet(b, name)
        rules += 1
    want(rules >= 4, "only %d functions" % rules)
    ok("%d activations" % rules)


def main():
    path = browser.find()
    if not path:
        print("SKIP: no Chromium: run scripts/setup --browser")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder, browser.Browser(path) as b:
        check_two_two_two(b, folder)
        check_model(b, folder)
        check_large(b, folder)
        check_norms(b, folder)
        check_every_function(b, folder)


main()
