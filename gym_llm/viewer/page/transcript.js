// One rollout: what it earned and why, then the conversation.

const PAGE_OF_MESSAGES = 200;
const IMAGE = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/;

/** The number of each assistant message among the rollout's turns; those of the prompt have none. */
function turnNumbers(messages, turns) {
  const answers = messages.flatMap((message, i) => (message.role === "assistant" ? [i] : []));
  const own = answers.slice(Math.max(0, answers.length - turns));
  return new Map(own.map((position, turn) => [position, turn]));
}

function callsById(messages) {
  const calls = messages.flatMap((message) => (Array.isArray(message.tool_calls) ? message.tool_calls : []));
  return new Map(calls.map((call) => [call?.id, call?.function?.name]));
}

function showRollout(entry, record) {
  const turns = turnNumbers(record.messages, entry.turns);
  const names = callsById(record.messages);
  const messages = element("div", { class: "messages" });
  const whole = element("div", {}, ...[
    record.failure && failureBox(record.failure),
    verdictBox(record),
    record.left_out && element("p", { class: "note" },
      `The messages are left out: the record has ${number(record.left_out)} characters.`),
    detailsBox(record),
    element("h2", {}, "Transcript"),
    messages,
  ].filter(Boolean));
  const items = record.messages.map((message, i) => [message, turns.get(i)]);
  paged(messages, items, PAGE_OF_MESSAGES, ([message, turn]) => messageBox(message, turn, record, names));
  return whole;
}

function failureBox(failure) {
  return element("section", { class: "failure" },
    element("h2", {}, `${failure.kind}: ${visible(failure.cause)}`),
    textBlock(failure.message),
    failure.traceback ? folded("traceback", () => textBlock(failure.traceback, "code")) : null);
}

function verdictBox(record) {
  const fields = record.verification?.fields ?? {};
  const rewards = Object.entries(record.rewards);
  if (!rewards.length && !Object.keys(fields).length && !record.verification?.failure) return null;
  return element("section", { class: "verdict" },
    element("h2", {}, "Verification"),
    factList([
      ...rewards.map(([name, value]) => [name, element("strong", {}, rewardText(value))]),
      ...Object.entries(fields).map(([name, value]) => [name, textBlock(shown(value))]),
    ]),
    record.verification?.failure ? textBlock(shown(record.verification.failure)) : null);
}

function factList(pairs) {
  if (!pairs.length) return null;
  return element("dl", {}, ...pairs.map(([name, value]) =>
    element("div", {}, element("dt", {}, visible(name)), element("dd", {}, value))));
}

function detailsBox(record) {
  const { seeds, timings, calls } = record;
  return element("div", { class: "folds" }, ...[
    record.row && folded("task row", () => textBlock(record.row, "code")),
    record.tools && folded(counted(record.tools.length, "tool"), () => record.tools.map(toolBox)),
    folded("seeds, rewards of turns, times", () => factList([
      ["seeds", `env ${seeds.env}, sampling ${seeds.sampling}, judge ${seeds.judge}`],
      ["rewards of turns", textBlock(record.step_rewards.map(rewardText).join(", ") || "none")],
      ["started", timings.started_at ? new Date(1000 * timings.started_at).toISOString() : "not known"],
      ["time", `${timings.duration_s.toFixed(3)} s: model ${timings.model_s.toFixed(3)} s, ` +
        `environment ${timings.env_s.toFixed(3)} s`],
      ["requests", String(timings.attempts)],
      ...(record.training_tokens ? [["token ids", number(record.training_tokens)]] : []),
    ])),
    calls.length && folded(counted(calls.length, "model call"), () => callTable(calls)),
    record.actions && folded("actions", () => record.actions.map((action) => textBlock(action, "code"))),
  ].filter(Boolean));
}

function toolBox(tool) {
  const described = tool?.function ?? tool;
  return folded(visible(shown(described?.name ?? "tool")), () => [
    textBlock(shown(described?.description ?? "")),
    textBlock(shown(described?.parameters ?? null), "code"),
  ]);
}

function callTable(calls) {
  const names = ["model", "finish_reason", "input_tokens", "cached_tokens", "reasoning_tokens", "output_tokens", "cost", "is_cached"];
  const used = names.filter((name) => calls.some((call) => call[name] !== null && call[name] !== false));
  const row = (call, i) => element("tr", {}, element("td", {}, String(i + 1)),
    ...used.map((name) => element("td", {}, call[name] === null ? "" : visible(shown(call[name])))));
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, ...["call", ...used].map((name) =>
      element("th", { scope: "col" }, name.replace("_", " "))))),
    element("tbody", {}, ...calls.slice(0, 1000).map(row))));
}

function messageBox(message, turn, record, names) {
  const role = visible(shown(message.role ?? "message"));
  const known = ["system", "developer", "user", "assistant", "tool"].includes(role) ? role : "other";
  const name = role === "tool" ? names.get(message.tool_call_id) ?? message.name : message.name;
  const title = name ? `${role} · ${visible(shown(name))}` : role;
  return element("section", { class: `message ${known}` },
    element("h3", {}, title, element("span", { class: "aside" }, turnFacts(turn, record))),
    ...reasoning(message),
    ...contentBlocks(message.content, role === "tool"),
    ...(Array.isArray(message.tool_calls) ? message.tool_calls.map(callBox) : []));
}

function turnFacts(turn, record) {
  if (turn === undefined) return "";
  const facts = [`turn ${turn + 1}`];
  if (turn < record.step_rewards.length) facts.push(`reward ${rewardText(record.step_rewards[turn])}`);
  // Agents may call their model more than once a turn; then no call belongs to this one.
  if (record.calls.length === record.step_rewards.length && turn < record.calls.length) {
    const call = record.calls[turn];
    if (call.output_tokens !== null) facts.push(`${number(call.output_tokens)} tokens`);
    if (call.finish_reason && !["stop", "tool_calls"].includes(call.finish_reason)) {
      facts.push(`finish: ${visible(call.finish_reason)}`);
    }
  }
  return facts.join(" · ");
}

function reasoning(message) {
  const thoughts = message.reasoning_content ?? message.reasoning;
  if (!thoughts) return [];
  const text = shown(thoughts);
  return [folded(`reasoning (${number(text.length)} characters)`, () => textBlock(text, "thoughts"))];
}

function contentBlocks(content, isTool) {
  if (content === null || content === undefined || content === "") return [];
  if (Array.isArray(content)) return content.map(partBlock);
  const text = shown(content);
  const json = isTool && /^\s*[{[]/.test(text) ? prettyJson(text) : null;
  return [json === null ? textBlock(text) : textBlock(json, "code")];
}

function partBlock(part) {
  if (part?.type === "text" && typeof part.text === "string") return textBlock(part.text);
  const url = part?.image_url?.url ?? part?.image_url;
  if (typeof url === "string" && IMAGE.test(url)) {
    return element("img", { src: url, alt: "image of the conversation", loading: "lazy" });
  }
  return textBlock(shown(part), "code");
}

function callBox(call) {
  const called = call?.function ?? {};
  const written = shown(called.arguments ?? "");
  const json = prettyJson(written);
  return element("div", { class: "call" },
    element("div", { class: "called" }, "→ ", element("strong", {}, visible(shown(called.name ?? "?"))),
      json === null && written !== "" && written.length <= MAX_PRETTY_CHARS
        ? element("span", { class: "note" }, " the arguments are not valid JSON") : null),
    textBlock(json ?? written, "code"),
    ...longArguments(json === null ? null : JSON.parse(written)));
}

/** Arguments of several lines (programs, letters) once more, with their line breaks. */
function longArguments(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [];
  return Object.entries(value)
    .filter(([, text]) => typeof text === "string" && text.includes("\n"))
    .map(([name, text]) => folded(`${visible(name)} as text`, () => textBlock(text, "code")));
}
