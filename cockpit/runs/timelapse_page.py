"""A time-lapse as one page of HTML, which needs no server and loads nothing"""

from __future__ import annotations

import html

import msgspec

from cockpit.runs.timelapse import Timelapse


def page(found: Timelapse) -> str:
    """The page. What models and people wrote stands in it as data alone, and is never taken for markup."""
    data = msgspec.json.encode(found).decode().replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return PAGE.replace("@RUN@", html.escape(found.run)).replace("@DATA@", data.replace("\u2029", "\\u2029"))


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>@RUN@: time-lapse</title>
<style>
:root { color-scheme: light dark; --new: #1c7a36; --gone: #b3261e; --dim: #6b7280; --line: #8884; }
@media (prefers-color-scheme: dark) { :root { --new: #7fd491; --gone: #ff8a80; --dim: #9aa4b2; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
header { position: sticky; top: 0; background: Canvas; border-bottom: 1px solid var(--line); padding: .5rem 0; }
h1 { font-size: 1.1rem; margin: 0; }
h2 { font-size: .95rem; margin: 1.5rem 0 .25rem; color: var(--dim); }
.scrub { display: flex; gap: .75rem; align-items: center; flex-wrap: wrap; }
.scrub input { flex: 1; min-width: 12rem; }
#at { font-weight: bold; min-width: 9rem; }
#figures, .note { color: var(--dim); }
article { border-top: 1px solid var(--line); padding: .5rem 0; }
.asked { font-weight: bold; white-space: pre-wrap; overflow-wrap: anywhere; }
.answer { white-space: pre-wrap; overflow-wrap: anywhere; margin: .25rem 0; }
ins { color: var(--new); font-weight: bold; }
del { color: var(--gone); }
</style>
</head>
<body>
<header>
<h1>@RUN@</h1>
<div class="scrub">
<button id="back" type="button" aria-label="the step before">◂</button>
<input id="step" type="range" min="0" value="0" aria-label="step">
<button id="on" type="button" aria-label="the next step">▸</button>
<span id="at"></span>
<label>changes since <select id="against">
<option value="since_before">the time before</option>
<option value="since_base">the beginning</option>
<option value="">none</option>
</select></label>
</div>
<div id="figures"></div>
</header>
<main id="questions"></main>
<script id="data" type="application/json">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const step = document.getElementById("step"), against = document.getElementById("against");
const main = document.getElementById("questions");
step.max = Math.max(0, data.steps.length - 1);
step.value = step.max;
function put(parent, tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}
function named(at) { return at ? "step " + at.toLocaleString("en") : "before training"; }
function show() {
  const at = data.steps[step.value];
  document.getElementById("at").textContent = data.steps.length ? named(at) : "nothing was answered";
  document.getElementById("figures").textContent = data.figures[step.value] || "";
  main.replaceChildren();
  let kind = "";
  for (const question of data.questions) {
    if (question.kind !== kind) put(main, "h2", "", kind = question.kind);
    const article = put(main, "article");
    const known = question.answers.filter(one => one.step <= at);
    const one = known[known.length - 1];
    const sign = !one || one.passed === null ? "" : one.passed ? "✓ " : "✗ ";
    put(article, "div", "asked", sign + question.title);
    if (!one) { put(article, "div", "note", "not asked yet"); continue; }
    const answer = put(article, "div", "answer");
    for (const [mark, words] of against.value ? one[against.value] : [["", one.text]])
      put(answer, mark === "+" ? "ins" : mark === "-" ? "del" : "span", "", words);
    const notes = [];
    if (one.step !== at) notes.push("answered " + (one.step ? "after " : "") + named(one.step));
    if (one.why) notes.push(one.why);
    if (question.wanted) notes.push("wanted: " + question.wanted);
    if (notes.length) put(article, "div", "note", notes.join(" · "));
  }
}
function go(by) { step.value = Number(step.value) + by; show(); }
step.addEventListener("input", show);
against.addEventListener("change", show);
document.getElementById("back").addEventListener("click", () => go(-1));
document.getElementById("on").addEventListener("click", () => go(1));
document.addEventListener("keydown", event => {
  if (event.target === step || event.target === against) return;
  if (event.key === "ArrowLeft") go(-1);
  if (event.key === "ArrowRight") go(1);
});
show();
</script>
</body>
</html>
"""
