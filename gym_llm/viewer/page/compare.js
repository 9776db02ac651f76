// Two rollouts of one task, line by line.

const MAX_CELLS = 4e6;
const MAX_LINES = 20000;
const MAX_LINE_CHARS = 2000;
const EQUAL_SHOWN = 3;
const PAGE_OF_ROWS = 1000;

/** Pairs of positions of equal lines: a longest common subsequence, or null when it would take too long. */
function commonLines(left, right) {
  const rows = left.length, columns = right.length, width = columns + 1;
  if (rows * columns > MAX_CELLS) return null;
  const lengths = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i -= 1) {
    for (let j = columns - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = left[i] === right[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < rows && j < columns;) {
    if (left[i] === right[j]) pairs.push([i++, j++]);
    else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return pairs;
}

/** Rows {left, right, isEqual} of positions; null stands where a side has no line. */
function diffLines(left, right) {
  let start = 0;
  const shorter = Math.min(left.length, right.length);
  while (start < shorter && left[start] === right[start]) start += 1;
  let end = 0;
  while (end < shorter - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end += 1;
  const rows = [];
  const equal = (i, j) => rows.push({ left: i, right: j, isEqual: true });
  const changed = (i, iEnd, j, jEnd) => {
    for (; i < iEnd || j < jEnd; i += 1, j += 1) {
      rows.push({ left: i < iEnd ? i : null, right: j < jEnd ? j : null, isEqual: false });
    }
  };
  for (let i = 0; i < start; i += 1) equal(i, i);
  const pairs = commonLines(left.slice(start, left.length - end), right.slice(start, right.length - end));
  let i = start, j = start;
  for (const [a, b] of pairs ?? []) {
    changed(i, start + a, j, start + b);
    equal(start + a, start + b);
    [i, j] = [start + a + 1, start + b + 1];
  }
  changed(i, left.length - end, j, right.length - end);
  for (let k = end; k > 0; k -= 1) equal(left.length - k, right.length - k);
  return { rows, isWhole: pairs !== null };
}

/** The transcript as lines; a heading stands before each message and each call. */
function transcriptLines(entry, record) {
  const names = callsById(record.messages);
  const lines = [];
  const heading = (text) => lines.push({ text: visible(text), isHeading: true });
  const add = (text) => {
    for (const line of visible(text).split("\n", MAX_LINES)) {
      const left = line.length - MAX_LINE_CHARS;
      lines.push({ text: left > 0 ? `${line.slice(0, MAX_LINE_CHARS)} ... ${number(left)} more characters` : line });
    }
  };
  for (const message of record.messages) {
    if (lines.length > MAX_LINES) break;
    const name = names.get(message.tool_call_id);
    heading(name ? `${shown(message.role)} · ${shown(name)}` : shown(message.role));
    const thoughts = message.reasoning_content ?? message.reasoning;
    if (thoughts) {
      heading("reasoning");
      add(shown(thoughts));
    }
    for (const text of plainContent(message.content)) add(text);
    for (const call of Array.isArray(message.tool_calls) ? message.tool_calls : []) {
      const written = shown(call?.function?.arguments ?? "");
      heading(`→ ${shown(call?.function?.name ?? "?")}`);
      add(prettyJson(written) ?? written);
    }
  }
  if (record.failure) {
    heading("failure");
    add(`${record.failure.kind}: ${record.failure.cause}\n${record.failure.message}`);
  }
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES), { text: "the rest is not compared", isHeading: true }];
}

function plainContent(content) {
  if (content === null || content === undefined || content === "") return [];
  if (!Array.isArray(content)) return [prettyIfJson(shown(content))];
  return content.map((part) => (typeof part?.text === "string" ? part.text : `[${shown(part?.type ?? "part")}]`));
}

function prettyIfJson(text) {
  return /^\s*[{[]/.test(text) ? prettyJson(text) ?? text : text;
}

function showComparison(entries, records) {
  const [left, right] = entries.map((entry, i) => transcriptLines(entry, records[i]));
  const key = (line) => (line.isHeading ? "#" : " ") + line.text;
  const { rows, isWhole } = diffLines(left.map(key), right.map(key));
  const body = element("tbody");
  const table = element("table", { class: "diff", "aria-label": "Differences of the transcripts" },
    element("colgroup", {}, ...["gutter", "side", "gutter", "side"].map((kind) => element("col", { class: kind }))),
    element("thead", {}, element("tr", {}, ...entries.map((entry) =>
      element("th", { scope: "col", colspan: 2 }, `repeat ${entry.repeat}`)))),
    body);
  const whole = element("div", {},
    comparisonFacts(entries, records),
    isWhole ? null : element("p", { class: "note" },
      "These transcripts are too long to be aligned; only their equal beginnings and ends are."),
    table);
  paged(body, hunks(rows), PAGE_OF_ROWS, (row) => diffRow(row, left, right), table);
  return whole;
}

function comparisonFacts(entries, records) {
  const names = [...new Set(records.flatMap((record) => Object.keys(record.rewards)))];
  const line = (name, values) => element("tr", { class: values[0] === values[1] ? null : "differs" },
    element("th", { scope: "row" }, visible(name)), ...values.map((value) => element("td", {}, value)));
  const state = (entry) => (entry.failure ? `${entry.state}: ${entry.failure}` : entry.state);
  return element("table", { class: "facts" },
    element("thead", {}, element("tr", {}, element("td"), ...entries.map((entry) =>
      element("th", { scope: "col" }, `repeat ${entry.repeat}`)))),
    element("tbody", {},
      line("state", entries.map(state)),
      line("reward", entries.map((entry) => (entry.state === "failed" ? "–" : rewardText(entry.reward)))),
      ...names.map((name) => line(name, records.map((record) => rewardText(record.rewards[name] ?? "–")))),
      line("turns", entries.map((entry) => String(entry.turns))),
      line("tokens", entries.map((entry) => number(entry.tokens)))));
}

/** Put long runs of equal rows together: {hidden: rows}. */
function hunks(rows) {
  const out = [];
  for (let i = 0; i < rows.length;) {
    let end = i;
    while (end < rows.length && rows[end].isEqual) end += 1;
    const before = i === 0 ? 0 : EQUAL_SHOWN;
    const after = end === rows.length ? 0 : EQUAL_SHOWN;
    if (end - i > before + after + 2) {
      out.push(...rows.slice(i, i + before), { hidden: rows.slice(i + before, end - after) }, ...rows.slice(end - after, end));
    } else out.push(...rows.slice(i, end));
    if (end < rows.length) out.push(rows[end]);
    i = end + 1;
  }
  return out;
}

function diffRow(row, left, right) {
  if (row.hidden) {
    const button = element("button", { type: "button", class: "more" }, `${number(row.hidden.length)} equal lines`);
    const line = element("tr", { class: "hidden" }, element("td", { colspan: 4 }, button));
    button.addEventListener("click", () => line.replaceWith(...row.hidden.map((r) => diffRow(r, left, right))));
    return line;
  }
  const a = row.left === null ? null : left[row.left];
  const b = row.right === null ? null : right[row.right];
  const marked = !row.isEqual && a && b && !a.isHeading && !b.isHeading ? changedPart(a.text, b.text) : null;
  return element("tr", { class: row.isEqual ? "equal" : "changed" },
    ...diffCell(a, row.isEqual ? "" : "−", "removed", marked?.[0]),
    ...diffCell(b, row.isEqual ? "" : "+", "added", marked?.[1]));
}

function diffCell(line, sign, kind, marked) {
  if (line === null) return [element("td", { class: "gutter" }), element("td", { class: "none" })];
  const changed = sign ? kind : "";
  const text = marked
    ? [line.text.slice(0, marked[0]), element("mark", {}, line.text.slice(...marked)), line.text.slice(marked[1])]
    : [line.text];
  return [
    element("td", { class: `gutter ${changed}` }, sign),
    element("td", { class: `${changed} ${line.isHeading ? "heading" : ""}`, dir: "auto" }, ...text),
  ];
}

/** Where two lines differ, without their common beginning and end; null when they share neither. */
function changedPart(a, b) {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < shorter - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  return start + end === 0 ? null : [[start, a.length - end], [start, b.length - end]];
}
