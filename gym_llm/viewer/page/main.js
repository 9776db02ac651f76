// The page as a whole: what is chosen, kept in the fragment of its address.

const EMPTY = { q: "", env: "", state: "", failure: "", min: "", max: "", mixed: "", sort: "task" };
const view = { ...EMPTY, rollout: "", with: "" };
const form = document.getElementById("filters");
const pane = document.getElementById("rollout");
let run = null;
let list = null;
let drawn = 0;

function readFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(view)) view[name] = given.get(name) ?? EMPTY[name] ?? "";
  for (const name of Object.keys(EMPTY)) {
    const field = form.elements.namedItem(name);
    if (field?.type === "checkbox") field.checked = view[name] !== "";
    else if (field) field.value = view[name];
  }
}

function writeFragment() {
  const given = Object.entries(view).filter(([name, value]) => value !== (EMPTY[name] ?? ""));
  history.replaceState(null, "", `#${new URLSearchParams(given)}`);
}

function readForm() {
  for (const name of Object.keys(EMPTY)) {
    const field = form.elements.namedItem(name);
    if (field) view[name] = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
  }
}

function choose(entry) {
  if (!entry || entry.key === view.rollout) return;
  view.rollout = entry.key;
  view.with = "";
  writeFragment();
  showChosen();
}

function compareWith(repeat) {
  view.with = repeat;
  writeFragment();
  showChosen();
}

function filter() {
  readForm();
  writeFragment();
  list.grid.scrollTop = 0;
  list.update(view);
}

function sortBy(name) {
  view.sort = view.sort === name ? `-${name}` : name;
  writeFragment();
  list.update(view);
}

async function showChosen() {
  const turn = ++drawn;
  const entry = run.byKey.get(view.rollout);
  list.select(entry);
  if (!entry) {
    pane.replaceChildren(element("p", { class: "note" }, run.entries.length
      ? "Choose a rollout of the list." : "This run has no rollouts yet."));
    return;
  }
  const other = entry.task.rollouts.find((r) => String(r.repeat) === view.with && r !== entry);
  const entries = other ? [entry, other] : [entry];
  const records = await Promise.all(entries.map(loadRecord));
  // Another one may have been chosen in the meantime.
  if (turn !== drawn) return;
  pane.replaceChildren(rolloutHead(entry, other),
    other ? showComparison(entries, records) : showRollout(entry, records[0]));
  pane.scrollTop = 0;
}

function rolloutHead(entry, other) {
  const others = entry.task.rollouts.filter((r) => r !== entry);
  const choice = element("select", { name: "with", onchange: (event) => compareWith(event.target.value) },
    element("option", { value: "" }, "nothing"),
    ...others.map((r) => element("option", { value: r.repeat, selected: r === other },
      `repeat ${r.repeat} (${r.failure ?? r.state}${r.state === "failed" ? "" : `, ${rewardText(r.reward)}`})`)));
  return element("div", { class: "title" },
    element("h2", {}, visible(entry.task.id)),
    element("p", {}, element("span", { class: `state ${entry.state}` }, entry.failure ?? entry.state),
      ` ${visible(entry.task.env)} · task ${entry.task.position} · repeat ${entry.repeat}` +
      `${entry.state === "failed" ? "" : ` · reward ${rewardText(entry.reward)}`} · ` +
      `${counted(entry.turns, "turn")} · ${counted(entry.tokens, "token")} · ${entry.time.toFixed(1)} s`),
    others.length ? element("label", { class: "with" }, "Compare with ", choice) : null);
}

function showRun() {
  const { manifest, environments } = run;
  const sum = (name) => environments.reduce((total, env) => total + (env[name] ?? 0), 0);
  document.title = `${visible(run.name)} · run`;
  document.getElementById("name").textContent = visible(run.name);
  document.getElementById("facts").textContent = [
    manifest.model ? `model ${visible(manifest.model.name)}` : `agent ${visible(manifest.agent)}`,
    `seed ${manifest.seed}`, counted(manifest.repeats, "repeat"),
    manifest.shard && `shard ${manifest.shard.join(" of ")}`,
    manifest.created_at && new Date(1000 * manifest.created_at).toISOString().slice(0, 16).replace("T", " ") + " UTC",
    manifest.versions.gym_llm && `gym_llm ${visible(manifest.versions.gym_llm)}`,
  ].filter(Boolean).join(" · ");
  document.getElementById("totals").textContent =
    `${counted(run.total, "rollout")} of ${counted(environments.length, "environment")}: ` +
    ["completed", "truncated", "failed"].map((name) => `${number(sum(name))} ${name}`).join(", ") +
    (sum("never_ran") ? `, ${number(sum("never_ran"))} never ran` : "");
  const cells = (env) => [rewardText(env.mean ?? "–"), ...["completed", "truncated", "failed", "never_ran"].map(
    (name) => (env[name] === null ? "?" : number(env[name])))];
  const table = document.getElementById("environments");
  table.querySelector("tbody").append(...environments.map((env) => element("tr", {},
    element("th", { scope: "row" }, visible(env.env_id)), ...cells(env).map((text) => element("td", {}, text)))));
  table.open = environments.length <= 4 && isWide();
  if (run.entries.length < run.total) {
    const notice = document.getElementById("notice");
    notice.textContent = `This page holds the first ${number(run.entries.length)} of ${number(run.total)} rollouts; ` +
      "the counts and means are of all of them.";
    notice.hidden = false;
  }
}

function fillFilters() {
  const options = (name, values, all) => form.elements.namedItem(name).append(
    element("option", { value: "" }, all),
    ...values.map((value) => element("option", { value }, visible(value))));
  const environments = [...new Set(run.entries.map((entry) => entry.task.env))];
  const failures = [...new Set(run.entries.map((entry) => entry.failure).filter(Boolean))].sort();
  options("env", environments, "all");
  options("state", STATES, "all");
  options("failure", failures, "any");
  document.getElementById("by-env").hidden = environments.length < 2;
  document.getElementById("by-failure").hidden = !failures.length;
}

function onKey(event) {
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && isTyping) list.grid.focus();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const distance = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  // Arrow keys scroll a transcript that has the focus.
  if (distance && !(event.key.startsWith("Arrow") && pane.contains(event.target))) {
    choose(list.neighbour(distance));
  } else if (event.key === "/") form.elements.namedItem("q").focus();
  else if (event.key === "c") compareWithNext();
  else return;
  event.preventDefault();
}

/** Go through the comparisons of the chosen rollout, and back to it alone. */
function compareWithNext() {
  const entry = run.byKey.get(view.rollout);
  const repeats = ["", ...(entry?.task.rollouts ?? []).filter((r) => r !== entry).map((r) => String(r.repeat))];
  compareWith(repeats[(repeats.indexOf(view.with) + 1) % repeats.length]);
}

/** Whether list and transcript stand side by side. */
function isWide() {
  return matchMedia("(min-width: 60rem)").matches;
}

async function start() {
  if (typeof DecompressionStream === "undefined") {
    document.getElementById("count").value = "This browser is too old for this page: it has no DecompressionStream.";
    return;
  }
  run = readIndex(await unpack("index"));
  list = new List(run.entries, (entry) => {
    choose(entry);
    if (!isWide()) pane.scrollIntoView();
  }, sortBy);
  showRun();
  fillFilters();
  readFragment();
  list.update(view);
  if (!run.byKey.has(view.rollout) && isWide() && list.hits.length) view.rollout = list.hits[0].key;
  // A text field's "change" comes when it loses the focus, as by a click on the list, which must stay put.
  form.addEventListener("input", (event) => event.target.matches("select") || filter());
  form.addEventListener("change", (event) => event.target.matches("select") && filter());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => {
    readFragment();
    list.update(view);
    showChosen();
  });
  await showChosen();
}

start();
