// The data blocks of the page: base64 over deflate over JSON.

const STATES = ["completed", "truncated", "failed"];
const KEPT_CHUNKS = 8;
const chunks = new Map();

async function unpack(id) {
  const block = document.getElementById(id).textContent;
  const bytes = Uint8Array.from(atob(block), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

/** The record of an entry, from a block that is kept for its neighbours. */
async function loadRecord(entry) {
  const found = chunks.get(entry.chunk) ?? unpack(`chunk-${entry.chunk}`);
  chunks.delete(entry.chunk);
  chunks.set(entry.chunk, found);
  if (chunks.size > KEPT_CHUNKS) chunks.delete(chunks.keys().next().value);
  const { rollouts, shared } = await found;
  const record = rollouts[entry.place];
  return { ...record, tools: shared[record.tools], row: shared[record.row] };
}

/** Give the rows of the index names, and every task the list of its rollouts. */
function readIndex(index) {
  const tasks = index.tasks.map(([env, id, position, text]) => ({
    env: index.environments[env].env_id, id, position, text,
    searched: `${id} ${text}`.toLowerCase(), rollouts: [],
  }));
  const entries = index.rollouts.map(
    ([task, repeat, reward, state, failure, turns, tokens, time, chunk, place], order) => ({
      task: tasks[task], repeat, reward, state: STATES[state], failure, turns, tokens, time, chunk, place, order,
      key: `${tasks[task].env}#${tasks[task].position}#${repeat}`,
    }));
  for (const entry of entries) entry.task.rollouts.push(entry);
  for (const task of tasks) {
    const rewards = task.rollouts.filter((r) => r.state !== "failed").map((r) => r.reward);
    task.isMixed = rewards.length > 1 && Math.max(...rewards) - Math.min(...rewards) > 1e-9;
  }
  return { ...index, tasks, entries, byKey: new Map(entries.map((entry) => [entry.key, entry])) };
}

function shortName(id) {
  return id.replace(/^gym_llm\//, "").replace(/-v0$/, "");
}
