"use strict";
// Text of models reaches the page as text nodes only: nothing here, or in the other parts, parses HTML.

const FOLD_CHARS = 4000;
const FOLD_LINES = 60;
const MAX_PRETTY_CHARS = 200000;
const MAX_INDENT = 20;

// As gym_llm/viewer/visible.py: characters that hide, reorder or control what is shown.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\p{Cs}\u{e0000}-\u{e007f}]/gu;

function visible(text) {
  return String(text).replaceAll("\r\n", "\n").replace(HIDDEN, (character) => {
    const code = character.codePointAt(0).toString(16).toUpperCase();
    return `⟨U+${code.padStart(4, "0")}⟩`;
  });
}

/** Make an element; attributes that begin with "on" are listeners, strings among the children are text. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** The end of the part that is shown of a long text; its length when all of it is. */
function foldAt(text) {
  let end = 0;
  for (let lines = 0; lines < FOLD_LINES && end >= 0; lines += 1) end = text.indexOf("\n", end + 1);
  end = Math.min(end < 0 ? text.length : end, FOLD_CHARS);
  if (text.length < 1.25 * end) return text.length;
  return text.codePointAt(end - 1) > 0xffff ? end - 1 : end;
}

/** A block of text in its own direction; a long one shows its beginning and a button. */
function textBlock(text, kind = "text") {
  const shown = visible(text);
  const end = foldAt(shown);
  const pre = element("pre", { class: kind, dir: "auto" }, shown.slice(0, end));
  if (end === shown.length) return pre;
  const button = element("button", { type: "button", class: "more" },
    `show all (${number(shown.length)} characters)`);
  button.addEventListener("click", () => {
    pre.textContent = shown;
    button.remove();
  });
  return element("div", {}, pre, button);
}

/** Content that is made when it is opened for the first time. */
function folded(summary, make, open = false) {
  const details = element("details", {}, element("summary", {}, summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(...[make()].flat());
  });
  details.open = open;
  return details;
}

/** Fill a container with items, so many at once; the button for more stands below the anchor. */
function paged(container, items, size, make, anchor = container) {
  let done = 0;
  const button = element("button", { type: "button", class: "more", onclick: more });
  function more() {
    button.remove();
    container.append(...items.slice(done, done + size).flatMap(make));
    done = Math.min(items.length, done + size);
    if (done < items.length) {
      button.textContent = `show ${number(Math.min(size, items.length - done))} more of ${number(items.length)}`;
      anchor.after(button);
    }
  }
  more();
}

/** JSON with line breaks, every number and string as it was written; null when the text is no JSON. */
function prettyJson(text) {
  if (text.length > MAX_PRETTY_CHARS) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  let out = "";
  let depth = 0;
  let isOpened = false;
  const newLine = () => "\n" + "  ".repeat(Math.min(depth, MAX_INDENT));
  for (const token of text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (isOpened !== closes) out += newLine();
    isOpened = token === "{" || token === "[";
    if (isOpened) depth += 1;
    out += token === ":" ? ": " : token;
    if (token === ",") out += newLine();
  }
  return out;
}

/** Any value for people: text as it is, all else as JSON. */
function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}

function number(value) {
  return value.toLocaleString("en-US");
}

function counted(count, word) {
  return `${number(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** A reward with what matters of its digits. */
function rewardText(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : visible(shown(value));
}
