// The list of rollouts: filtered, sorted, and drawn only where it can be seen.

const COLUMNS = [
  ["task", "task", (e) => e.order],
  ["repeat", "repeat", (e) => e.repeat],
  ["reward", "reward", (e) => (e.state === "failed" ? -Infinity : e.reward)],
  ["state", "state", (e) => STATES.indexOf(e.state)],
  ["turns", "turns", (e) => e.turns],
  ["tokens", "tokens", (e) => e.tokens],
  ["time", "time", (e) => e.time],
];
const SPARE_ROWS = 12;

function matches(entry, filters) {
  return (
    (!filters.env || entry.task.env === filters.env) &&
    (!filters.state || entry.state === filters.state) &&
    (!filters.failure || entry.failure === filters.failure) &&
    (filters.min === "" || (entry.state !== "failed" && entry.reward >= Number(filters.min))) &&
    (filters.max === "" || (entry.state !== "failed" && entry.reward <= Number(filters.max))) &&
    (!filters.mixed || entry.task.isMixed) &&
    filters.q.toLowerCase().split(/\s+/).every((word) => entry.task.searched.includes(word))
  );
}

/** A long name without its middle, as ids of a set differ at their ends. */
function fitted(name) {
  return name.length > 22 ? `${name.slice(0, 8)}…${name.slice(-13)}` : name;
}

class List {
  constructor(entries, choose, sortBy) {
    this.entries = entries;
    this.hits = entries;
    this.choose = choose;
    this.showsEnv = new Set(entries.map((entry) => entry.task.env)).size > 1;
    this.grid = document.getElementById("list");
    this.space = document.getElementById("space");
    this.window = document.getElementById("window");
    this.columns = COLUMNS.map(([name, title]) => element("button", { type: "button", onclick: () => sortBy(name) }, title));
    document.getElementById("columns").append(
      ...this.columns.map((button, i) => element("div", { role: "columnheader", class: COLUMNS[i][0] }, button)));
    this.grid.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()));
    new ResizeObserver(() => this.draw()).observe(this.grid);
  }

  update(filters) {
    this.sort = filters.sort;
    const isDown = filters.sort.startsWith("-");
    const name = filters.sort.replace("-", "");
    const column = COLUMNS.findIndex((c) => c[0] === name);
    const value = COLUMNS[Math.max(column, 0)][2];
    const sign = isDown ? -1 : 1;
    this.hits = this.entries.filter((entry) => matches(entry, filters));
    this.hits.sort((a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : a.order - b.order));
    this.columns.forEach((button, i) => {
      const state = i !== column ? "none" : isDown ? "descending" : "ascending";
      button.parentElement.setAttribute("aria-sort", state);
    });
    this.grid.setAttribute("aria-rowcount", this.hits.length + 1);
    document.getElementById("count").value = `${number(this.hits.length)} of ${number(this.entries.length)} rollouts`;
    this.draw();
  }

  get rowHeight() {
    return 2 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  draw() {
    const height = this.rowHeight;
    const first = Math.max(0, Math.floor(this.grid.scrollTop / height) - SPARE_ROWS);
    const last = first + Math.ceil(this.grid.clientHeight / height) + 2 * SPARE_ROWS;
    this.space.style.height = `${this.hits.length * height}px`;
    this.window.style.top = `${first * height}px`;
    this.window.replaceChildren(...this.hits.slice(first, last).map((entry, i) => this.row(entry, first + i)));
    if (this.selected && this.hits.includes(this.selected)) this.grid.setAttribute("aria-activedescendant", "selected");
    else this.grid.removeAttribute("aria-activedescendant");
  }

  row(entry, position) {
    const isSelected = entry === this.selected;
    const id = entry.task.id;
    const name = this.showsEnv ? `${fitted(id)} · ${shortName(entry.task.env)}` : fitted(id);
    const values = [
      visible(name), entry.repeat, entry.state === "failed" ? "–" : rewardText(entry.reward),
      entry.failure ?? entry.state, entry.turns, number(entry.tokens), `${entry.time.toFixed(1)} s`,
    ];
    return element("div", {
      role: "row", class: `row ${entry.state}`, id: isSelected ? "selected" : null, "aria-selected": String(isSelected),
      "aria-rowindex": position + 2, "data-key": entry.key, onclick: () => this.choose(entry),
    }, ...values.map((value, i) => element("div", {
      role: "gridcell", class: COLUMNS[i][0], title: i === 0 ? visible(`${id} · ${entry.task.env}\n${entry.task.text}`) : null,
    }, String(value))));
  }

  select(entry) {
    this.selected = entry;
    const position = this.hits.indexOf(entry);
    if (position >= 0) {
      const height = this.rowHeight;
      const head = document.getElementById("columns").offsetHeight;
      const room = this.grid.clientHeight - head - height;
      const top = position * height;
      this.grid.scrollTop = Math.max(top - room, Math.min(top, this.grid.scrollTop));
    }
    this.draw();
  }

  /** The entry so many rows below the selected one. */
  neighbour(distance) {
    const position = this.hits.indexOf(this.selected);
    const target = position < 0 ? 0 : position + distance;
    return this.hits[Math.max(0, Math.min(this.hits.length - 1, target))];
  }
}
