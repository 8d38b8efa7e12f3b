/* The ledger's page: reads the event stream, keeps a quarter of an hour, draws it. SPDX-License-Identifier: MIT */
"use strict";

const KEEP = 900; // seconds of history
const COLOURS = 9; // --s0 to --s8, the last one for what is left over
const STATES = ["active", "draining", "waiting", "head", "idle", "lingering", "handshake"];
const CLASSES = ["2xx", "3xx", "4xx", "5xx", "1xx", "none"];

const $ = (id) => document.getElementById(id);
const past = []; // of samples, oldest first
let span = 300;
let measure = "reserved";
let paused = false;
let latest = null; // the last ledger, shown or not

// ---- Numbers for people

function digits(value, most) {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? most : value < 100 ? Math.min(most, 1) : 0 });
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return [unit ? digits(value, 2) : String(Math.round(value)), units[unit]];
}

function count(value) {
  if (value < 10000) return [digits(value, value < 10 && value % 1 ? 1 : 0), ""];
  return value < 1e6 ? [digits(value / 1e3, 1), "k"] : value < 1e9 ? [digits(value / 1e6, 2), "M"] : [digits(value / 1e9, 2), "G"];
}

function time(seconds) {
  if (seconds === null) return ["–", ""];
  if (seconds < 0.001) return ["< 1", "ms"];
  if (seconds < 1) return [digits(seconds * 1e3, 1), "ms"];
  if (seconds < 120) return [digits(seconds, 1), "s"];
  if (seconds < 7200) return [digits(seconds / 60, 0), "min"];
  return seconds < 172800 ? [digits(seconds / 3600, 1), "h"] : [digits(seconds / 86400, 1), "days"];
}

const text = ([value, unit]) => (unit ? `${value} ${unit}` : value);

/* Sets an element's text if it has changed; unit in a smaller size. */
function put(element, [value, unit]) {
  const whole = unit ? `${value} ${unit}` : value;
  if (element.dataset.shown === whole) return;
  element.dataset.shown = whole;
  element.textContent = value;
  if (unit) {
    const small = document.createElement("small");
    small.textContent = unit;
    element.append(small);
  }
}

function say(id, words) {
  if ($(id).textContent !== words) $(id).textContent = words;
}

function node(name, more = {}, ...children) {
  const element = document.createElement(name);
  Object.assign(element, more);
  element.append(...children);
  return element;
}

// ---- Samples

const colours = new Map(); // an account's colour stays its own
function colour(name) {
  if (!colours.has(name)) colours.set(name, Math.min(colours.size, COLOURS - 1));
  return colours.get(name);
}

/* A quantile of handler times between two ledgers, or null if none ended; within the first class it is only known to be below its bound. */
function quantile(times, before, q) {
  const counts = times.map((t, i) => Math.max(0, t.count - (before ? before[i].count : 0)));
  const all = counts.reduce((a, b) => a + b, 0);
  if (!all) return null;
  let left = q * all;
  for (let i = 0; i < counts.length; i++) {
    if (left <= counts[i]) {
      if (i === 0) return 0;
      const low = times[i - 1].most;
      const high = times[i].most === null ? low : times[i].most;
      return low + ((high - low) * left) / counts[i];
    }
    left -= counts[i];
  }
  return times[times.length - 2].most;
}

/* What the charts need of a ledger, with rates since the one before. */
function sample(ledger, before) {
  const seconds = before ? ledger.uptime_seconds - before.uptime_seconds : 0;
  const rate = (now, then) => (seconds > 0 ? Math.max(0, (now - then) / seconds) : 0);
  const s = { at: ledger.uptime_seconds, limit: ledger.memory.limit, reserved: {}, in_use: {}, connections: {}, replies: {} };
  for (const a of ledger.memory.accounts) {
    s.reserved[a.name] = a.reserved;
    s.in_use[a.name] = a.in_use;
  }
  for (const state of STATES) s.connections[state] = ledger.connections[state];
  for (const c of CLASSES) s.replies[c] = before ? rate(ledger.responses[c], before.responses[c]) : 0;
  s.requests = before ? rate(ledger.requests, before.requests) : 0;
  s.sent = before ? rate(ledger.bytes.out, before.bytes.out) : 0;
  s.received = before ? rate(ledger.bytes.in, before.bytes.in) : 0;
  s.median = before ? quantile(ledger.handlers.times, before.handlers.times, 0.5) : null;
  s.p99 = before ? quantile(ledger.handlers.times, before.handlers.times, 0.99) : null;
  s.first = !before;
  return s;
}

function receive(ledger) {
  if (latest && ledger.uptime_seconds < latest.uptime_seconds) {
    past.length = 0; // another server
    latest = null;
  }
  if (latest && ledger.uptime_seconds === latest.uptime_seconds) return;
  past.push(sample(ledger, latest));
  while (past.length && past[0].at < ledger.uptime_seconds - KEEP) past.shift();
  latest = ledger;
  if (!paused) show();
}

// ---- Charts

class Chart {
  /* of: {series(samples) -> [{name, label, colour, value(sample), line}], stacked, format, limit(sample), summary} */
  constructor(id, of) {
    this.canvas = $(`c-${id}`);
    this.legend = $(`l-${id}`);
    Object.assign(this, of);
    this.cursor = null; // index into the samples shown
    this.canvas.addEventListener("pointermove", (e) => this.point(e.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.select(null));
    this.canvas.addEventListener("blur", () => this.select(null));
    this.canvas.addEventListener("keydown", (e) => this.key(e));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  key(event) {
    const last = this.samples.length - 1;
    const at = this.cursor === null ? last : this.cursor;
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last };
    if (event.key === "Escape") this.select(null);
    else if (event.key in moves && last >= 0) this.select(Math.max(0, Math.min(last, moves[event.key])));
    else return;
    event.preventDefault();
  }

  point(x) {
    let best = null;
    this.samples.forEach((s, i) => {
      if (best === null || Math.abs(this.x(s) - x) < Math.abs(this.x(this.samples[best]) - x)) best = i;
    });
    this.select(best);
  }

  select(index) {
    if (this.cursor === index) return;
    this.cursor = index;
    this.draw();
  }

  x(s) {
    return this.left + ((s.at - this.end + this.span) / this.span) * this.width;
  }

  update(samples) {
    if (this.cursor !== null) this.cursor = samples.indexOf(this.samples[this.cursor]);
    if (this.cursor === -1) this.cursor = null;
    this.samples = samples;
    this.list = this.series(samples);
    this.draw();
  }

  draw() {
    if (!this.samples || !this.samples.length) return;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (!w || !h) return;
    if (this.canvas.width !== Math.round(w * ratio) || this.canvas.height !== Math.round(h * ratio)) {
      this.canvas.width = Math.round(w * ratio);
      this.canvas.height = Math.round(h * ratio);
    }
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, w, h);
    this.left = 0;
    this.width = w;
    this.top = 16;
    this.height = h - 16 - 18;
    this.end = this.samples[this.samples.length - 1].at;
    this.span = Math.min(span, Math.max(60, Math.ceil(this.end - this.samples[0].at))); // at first there is little to show
    const style = getComputedStyle(document.documentElement);
    this.paint = (name) => style.getPropertyValue(name).trim();
    this.scale();
    this.axes(g, w, h);
    if (this.stacked) this.areas(g);
    else this.lines(g);
    this.limits(g);
    this.labels(g);
    this.mark(g);
    this.describe();
  }

  scale() {
    let most = 0;
    for (const s of this.samples) {
      const values = this.list.map((one) => one.value(s) ?? 0);
      most = Math.max(most, this.stacked ? values.reduce((a, b) => a + b, 0) : Math.max(0, ...values));
    }
    const limit = this.limit ? Math.max(...this.samples.map((s) => this.limit(s))) : 0;
    if (limit && limit < most * 6) most = Math.max(most, limit * 1.04); // a bound far above would flatten all
    this.parts = this.height > 150 ? 4 : 2;
    this.most = this.parts * this.step(Math.max(most * 1.03, this.least || 0) / this.parts);
  }

  /* The least round number that is no less than size. */
  step(size) {
    if (size <= 0) return 1;
    const power = this.binary ? 2 ** Math.floor(Math.log2(size)) : 10 ** Math.floor(Math.log10(size));
    const steps = this.binary ? [1, 1.25, 1.5, 2] : [1, 2, 2.5, 5, 10];
    return steps.map((step) => step * power).find((step) => step >= size * 0.9999);
  }

  y(value) {
    return this.top + this.height * (1 - value / this.most);
  }

  axes(g, w, h) {
    g.font = "11px system-ui, sans-serif";
    g.textBaseline = "alphabetic";
    for (let i = 0; i <= this.parts; i++) {
      const y = Math.round(this.y((this.most * i) / this.parts)) + 0.5;
      g.strokeStyle = this.paint(i ? "--grid" : "--line");
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(0, y);
      g.lineTo(w, y);
      g.stroke();
    }
    g.fillStyle = this.paint("--soft");
    g.textAlign = "left";
    g.fillText(`−${text(time(this.span))}`, 0, h - 3);
    g.textAlign = "right";
    g.fillText("now", w, h - 3);
  }

  /* Over everything else, with the panel's colour around them. */
  labels(g) {
    g.textAlign = "left";
    g.lineWidth = 3;
    g.lineJoin = "round";
    for (let i = 1; i <= this.parts; i++) {
      const words = text(this.format((this.most * i) / this.parts));
      const y = Math.round(this.y((this.most * i) / this.parts)) - 4;
      g.strokeStyle = this.paint("--panel");
      g.strokeText(words, 0, y);
      g.fillStyle = this.paint("--soft");
      g.fillText(words, 0, y);
    }
  }

  /* From below to above; where samples are missing, the line goes straight. */
  areas(g) {
    const base = this.samples.map(() => 0);
    for (const one of this.list) {
      const top = this.samples.map((s, i) => base[i] + (one.value(s) ?? 0));
      g.beginPath();
      this.samples.forEach((s, i) => g.lineTo(this.x(s), this.y(top[i])));
      for (let i = this.samples.length - 1; i >= 0; i--) g.lineTo(this.x(this.samples[i]), this.y(base[i]));
      g.closePath();
      g.fillStyle = this.paint(one.colour);
      g.globalAlpha = 0.82;
      g.fill();
      g.globalAlpha = 1;
      g.beginPath();
      this.samples.forEach((s, i) => {
        if (i === 0 || top[i] + top[i - 1] === base[i] + base[i - 1]) g.moveTo(this.x(s), this.y(top[i]));
        else g.lineTo(this.x(s), this.y(top[i]));
      });
      g.strokeStyle = this.paint(one.colour);
      g.lineWidth = 1;
      g.stroke();
      top.forEach((value, i) => (base[i] = value));
    }
  }

  lines(g) {
    for (const one of this.list) {
      g.beginPath();
      let open = false;
      for (const s of this.samples) {
        const value = one.value(s);
        if (value === null || value === undefined) {
          open = false;
          continue;
        }
        if (open) g.lineTo(this.x(s), this.y(value));
        else g.moveTo(this.x(s), this.y(value));
        open = true;
      }
      g.strokeStyle = this.paint(one.colour);
      g.lineWidth = 1.75;
      g.lineJoin = "round";
      g.stroke();
    }
  }

  limits(g) {
    const limit = this.limit ? this.limit(this.samples[this.samples.length - 1]) : 0;
    this.aside = "";
    if (!limit) return;
    if (limit > this.most) {
      this.aside = `limit ${text(this.format(limit))}`;
      return;
    }
    const y = Math.round(this.y(limit)) + 0.5;
    g.strokeStyle = this.paint("--warn");
    g.lineWidth = 1.5;
    g.setLineDash([5, 4]);
    g.beginPath();
    g.moveTo(0, y);
    g.lineTo(this.width, y);
    g.stroke();
    g.setLineDash([]);
    g.textAlign = "right";
    g.fillStyle = this.paint("--warn");
    g.fillText(`limit ${text(this.format(limit))}`, this.width, y - 4);
  }

  mark(g) {
    if (this.cursor === null) return;
    const x = Math.round(this.x(this.samples[this.cursor])) + 0.5;
    g.strokeStyle = this.paint("--ink");
    g.lineWidth = 1;
    g.beginPath();
    g.moveTo(x, this.top - 6);
    g.lineTo(x, this.top + this.height);
    g.stroke();
  }

  describe() {
    const s = this.samples[this.cursor === null ? this.samples.length - 1 : this.cursor];
    const ago = this.end - s.at;
    const when = ago < 0.5 ? "now" : `${text(time(ago))} ago`;
    const values = this.list.map((one) => [one, text(this.format(one.value(s) ?? null))]);
    this.canvas.setAttribute("aria-label", `${this.title}, ${when}: ${values.map(([one, v]) => `${one.label} ${v}`).join(", ")}`);
    const items = values.map(([one, value]) => {
      const mark = node("i", { className: this.stacked ? "" : "line" });
      mark.style.setProperty("--c", `var(${one.colour})`);
      return node("li", {}, mark, one.label, node("b", { textContent: value }));
    });
    if (this.aside) items.push(node("li", { textContent: this.aside }));
    if (this.cursor !== null) items.push(node("li", { className: "when", textContent: when }));
    this.legend.replaceChildren(...items);
  }
}

/* The largest accounts within what is shown, and one for the rest; in the order of their colours, so that layers keep their places. */
function accountSeries(samples) {
  const peak = new Map();
  for (const s of samples) for (const name in s[measure]) peak.set(name, Math.max(peak.get(name) ?? 0, s[measure][name]));
  const names = [...peak.keys()].filter((name) => peak.get(name) > 0).sort((a, b) => peak.get(b) - peak.get(a));
  names.forEach(colour);
  const own = names.filter((name) => colour(name) < COLOURS - 1).sort((a, b) => colour(a) - colour(b));
  const rest = names.filter((name) => colour(name) === COLOURS - 1);
  const list = own.map((name) => ({ label: name, colour: `--s${colour(name)}`, value: (s) => s[measure][name] ?? 0 }));
  if (rest.length)
    list.push({ label: rest.length === 1 ? rest[0] : `${rest.length} others`, colour: `--s${COLOURS - 1}`,
      value: (s) => rest.reduce((sum, name) => sum + (s[measure][name] ?? 0), 0) });
  return list;
}

const fixed = (names, key, hues, labels = {}) => (samples) =>
  names.map((name, i) => ({ name, label: labels[name] ?? name, colour: `--s${hues[i]}`, value: (s) => s[key][name] }))
    .filter((one, i) => i === 0 || samples.some((s) => one.value(s) > 0));

const charts = [
  new Chart("memory", { title: "Memory by account", series: accountSeries, stacked: true, binary: true, format: (v) => bytes(v ?? 0), limit: (s) => s.limit }),
  new Chart("requests", { title: "Replies a second", series: fixed(CLASSES, "replies", [0, 6, 1, 3, 8, 5], { none: "no answer" }), stacked: true, least: 10,
    format: (v) => count(v ?? 0) }),
  new Chart("times", { title: "Handler time", stacked: false, least: 0.002, format: time, series: () => [
    { label: "median", colour: "--s0", value: (s) => s.median },
    { label: "99 %", colour: "--s1", value: (s) => s.p99 }] }),
  new Chart("connections", { title: "Connections by state", series: fixed(STATES, "connections", [0, 6, 5, 1, 2, 3, 4], { head: "half a head", waiting: "wait for memory" }), stacked: true, least: 10,
    format: (v) => count(v ?? 0) }),
];

// ---- The rest of the page

/* Fills a table's body; rows are arrays of cells, a cell a text, a [value, unit] or an element. */
function fill(id, rows) {
  const labels = [...$(id).tHead.rows[0].cells].map((cell) => cell.textContent);
  $(id).tBodies[0].replaceChildren(...rows.map((row) => node("tr", {}, ...row.map((cell, i) => {
    const td = node(i ? "td" : "th");
    if (i) td.dataset.label = labels[i];
    else td.scope = "row";
    if (Array.isArray(cell)) {
      td.append(cell[0]);
      if (cell[1]) td.append(" ", node("small", { textContent: cell[1] }));
    } else td.append(cell);
    if (labels[i] === "Refused" && cell[0] !== "0") td.className = "some";
    return td;
  }))));
}

function definitions(id, pairs) {
  $(id).replaceChildren(...pairs.flatMap(([name, value]) => [node("dt", { textContent: name }), node("dd", { textContent: value })]));
}

function showFigures(l) {
  const s = past[past.length - 1];
  const limit = l.memory.limit;
  put($("f-reserved"), bytes(l.memory.reserved));
  say("f-limit", limit ? `${digits((l.memory.reserved / limit) * 100, 1)} % of ${text(bytes(limit))}` : "no limit is set");
  $("f-limit").classList.toggle("high", limit > 0 && l.memory.reserved > limit * 0.9);
  put($("f-in-use"), bytes(l.memory.in_use));
  say("f-objects", `kernel holds ${text(bytes(l.kernel.held))}`);
  put($("f-private"), l.process ? bytes(l.process.private) : ["–", ""]);
  say("f-remainder", l.process ? `${text(bytes(l.process.remainder))} in no account` : "");
  put($("f-rate"), count(s.requests));
  say("f-requests", `${text(count(l.requests))} in all`);
  put($("f-median"), time(s.median));
  say("f-p99", `99 % within ${text(time(s.p99))}`);
  put($("f-sent"), bytes(s.sent));
  say("f-received", `${text(bytes(s.received))} received`);
}

function showTables(l) {
  const accounts = l.memory.accounts.filter((a) => a.peak || a.reserved).sort((a, b) => b.reserved - a.reserved || a.name.localeCompare(b.name));
  const largest = Math.max(1, ...accounts.map((a) => a.reserved));
  fill("accounts", accounts.map((a) => {
    const swatch = node("i", { className: "swatch" });
    swatch.style.setProperty("--c", `var(--s${colour(a.name)})`);
    const fillBar = node("i");
    fillBar.style.width = `${(a.in_use / largest) * 100}%`;
    fillBar.style.setProperty("--c", `var(--s${colour(a.name)})`);
    const [value, unit] = bytes(a.in_use);
    const used = node("span", {}, value, " ", node("small", { textContent: unit }), node("span", { className: "bar" }, fillBar));
    return [node("span", {}, swatch, a.name), used, bytes(a.reserved), bytes(a.peak), count(a.objects), count(a.refused)];
  }));
  const route = (method, pattern) => (method ? node("span", {}, node("small", { textContent: method }), pattern) : pattern);
  fill("live", l.live.map((r) => [
    route(r.method, r.route || "no route"),
    time(r.seconds), r.state, r.peer, bytes(r.sent), bytes(r.memory)]));
  $("live").hidden = !l.live.length;
  $("live-empty").hidden = l.live.length > 0;
  const longest = Math.max(...l.handlers.times.map((t) => t.most)); // the last class has no bound
  const bound = (ms) => (ms === null ? [`> ${time(longest)[0]}`, time(longest)[1]] : time(ms / 1000));
  const routes = (l.routes ?? []).slice(0, 12);
  fill("routes", routes.map((r) => [route(r.method, (r.host ?? "") + r.pattern), count(r.requests), bound(r.p50_ms), bound(r.p99_ms)]));
  $("routes-panel").hidden = !routes.length;
  $("caches-panel").hidden = !l.caches.length;
  fill("caches", l.caches.map((c) => [c.name, count(c.hits), count(c.misses), count(c.waits), count(c.evictions), count(c.entries), bytes(c.bytes)]));
}

function showLists(l) {
  definitions("work", [
    ["Connections open, and ever", `${text(count(l.connections.open))} / ${text(count(l.connections.accepted))}`],
    ["Handlers running, and waiting", `${l.fibers.running} / ${text(count(l.fibers.waiting))}`],
    ["Offload threads busy, and there", `${l.offload.busy} / ${l.offload.threads}`],
    ["Offload jobs queued, and ever", `${l.offload.queued} / ${text(count(l.offload.jobs))}`],
    ["Bytes received, and sent", `${text(bytes(l.bytes.in))} / ${text(bytes(l.bytes.out))}`],
  ]);
  const t = l.topics, stay = l.sockets;
  $("topics-panel").hidden = !t.topics && !t.patterns && !t.published && !stay.websockets && !stay.received;
  definitions("topics", [
    ["WebSockets, and event streams", `${text(count(stay.websockets))} / ${text(count(stay.event_streams))}`],
    ["Messages received, and sent", `${text(count(stay.received))} / ${text(count(stay.sent))}`],
    ["Topics, and patterns", `${text(count(t.topics))} / ${text(count(t.patterns))}`],
    ["Subscribers, and behind", `${text(count(t.subscribers))} / ${text(count(t.lagging))}`],
    ["Messages held, and their bytes", `${text(count(t.messages))} / ${text(bytes(t.bytes))}`],
    ["Published, and delivered", `${text(count(t.published))} / ${text(count(t.delivered))}`],
    ["Skipped, conflated, disconnected", `${text(count(t.skipped))} / ${text(count(t.conflated))} / ${text(count(t.disconnected))}`],
    ["Refused", text(count(t.refused))],
  ]);
  const failed = Object.entries(l.handshakes.failed).map(([cause, n]) => [`handshake: ${cause}`, n]);
  const refusals = [...Object.entries(l.refusals), ...failed].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  definitions("refusals", refusals.map(([cause, n]) => [cause, text(count(n))]));
  $("refusals-empty").hidden = refusals.length > 0;
}

function show() {
  if (!latest) return;
  const end = past[past.length - 1].at;
  const shown = past.filter((s) => s.at >= end - span - 1 && !(s.first && past.length > 1));
  for (const chart of charts) chart.update(shown);
  showFigures(latest);
  showTables(latest);
  showLists(latest);
  say("about", `weir ${latest.version} · ${latest.workers} worker${latest.workers === 1 ? "" : "s"} · up ${text(time(latest.uptime_seconds))}`);
  document.documentElement.dataset.requests = latest.requests;
}

// ---- Controls and the stream

function choose(attribute, value, set) {
  for (const button of document.querySelectorAll(`[data-${attribute}]`)) {
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll(`[data-${attribute}]`)) other.setAttribute("aria-pressed", String(other === button));
      set(button.dataset[attribute]);
      show();
    });
  }
}

function setPaused(on) {
  paused = on;
  $("pause").setAttribute("aria-pressed", String(on));
  $("pause").textContent = on ? "Go on" : "Pause";
  if (!on) show();
}

function setStatus(state, words) {
  $("status").dataset.state = state;
  say("status-text", words);
}

choose("span", span, (value) => (span = Number(value)));
choose("memory", measure, (value) => (measure = value));
$("pause").addEventListener("click", () => setPaused(!paused));
document.addEventListener("keydown", (event) => {
  if (event.key === "p" && !event.ctrlKey && !event.metaKey && !event.altKey) setPaused(!paused);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
say("host", location.host);

function listen() {
  const stream = new EventSource("events");
  stream.onmessage = (event) => {
    setStatus("live", "live");
    receive(JSON.parse(event.data));
  };
  stream.onerror = () => {
    setStatus("lost", "no connection");
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(listen, 2000);
  };
}
listen();
