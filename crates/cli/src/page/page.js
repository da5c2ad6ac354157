"use strict";

const ROW = 18;
const by = (id) => document.getElementById(id);

/** Unpacks base64 of deflated text. */
async function unpack(packed) {
  const binary = atob(packed);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

/** A list of rows of one height, of which only those in sight exist. */
class Rows {
  constructor(element, make) {
    this.element = element;
    this.space = element.firstElementChild;
    this.shown = this.space.firstElementChild;
    this.make = make;
    this.count = 0;
    element.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(element);
  }
  set(count) {
    this.count = count;
    this.space.style.height = count * ROW + "px";
    this.draw();
  }
  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW) - 10);
    const last = Math.min(this.count, first + Math.ceil(this.element.clientHeight / ROW) + 20);
    const rows = [];
    for (let i = first; i < last; i++) rows.push(this.make(i));
    this.shown.style.transform = `translateY(${first * ROW}px)`;
    this.shown.replaceChildren(...rows);
  }
  show(row) {
    const top = row * ROW, height = this.element.clientHeight;
    const at = this.element.scrollTop;
    if (top < at || top + ROW > at + height) this.element.scrollTop = Math.max(0, top - height / 3);
    this.draw();
  }
}

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

let index, packedChunks, listing;
let order = [];                 // what the list shows, as positions in the index
let chosen = -1;                // position in the index
let hits = null;                // by position: how often the text is there
let sought = "";                // the text
let sorted = { key: "code", down: true };   // what a module is made of, the largest first
let atKey = -1;                 // row of the list that the arrow keys are at
const chunks = new Map();       // unpacked, the last few
const position = new Map();     // of a function by its index

const nameOf = (f) => f < 0 ? "(stubs between functions and host)" : index.names[f] || `function ${f}`;

async function chunk(number) {
  let text = chunks.get(number);
  if (text === undefined) {
    text = (await unpack(packedChunks[number])).split("\0");
    chunks.set(number, text);
    if (chunks.size > 16) chunks.delete(chunks.keys().next().value);
  }
  return text;
}

async function listingText(at) {
  return (await chunk(index.chunk[at]))[at - index.chunk.indexOf(index.chunk[at])];
}

/** The rows of a function: code in its order, each instruction beside the Wasm it was made for. */
function parse(text) {
  const lines = text.split("\n");
  const [wasmStart, codeStart, wasmCount] = lines[0].split(" ").map(Number);
  const wasm = [], code = [];
  let offset = wasmStart, depth = 1;
  for (let i = 1; i <= wasmCount; i++) {
    const space = lines[i].indexOf(" ");
    const [bytes, gas] = lines[i].slice(0, space).split("$");
    const text = lines[i].slice(space + 1);
    const word = /^\w*/.exec(text)[0];
    if (word === "end" || word === "else") depth--;
    wasm.push({ offset, gas, text, depth: i === 1 ? 0 : Math.max(depth, 0) });
    if (word === "block" || word === "loop" || word === "if" || word === "else") depth++;
    offset += Number(bytes);
  }
  let at = codeStart, of = 0, labels = 0;
  for (let i = wasmCount + 1; i < lines.length; i++) {
    const [, bytes, label, step] = /^(\d+)(:?)(?:,(-?\d+))?/.exec(lines[i]);
    of += Number(step || 0);
    code.push({ offset: at, of, label: label && ++labels, text: lines[i].slice(lines[i].indexOf(" ") + 1) });
    at += Number(bytes);
  }
  const rows = [], wasmRow = [], labelRow = [];
  let next = 0;
  const upTo = (end) => { while (next < end) { wasmRow[next] = rows.length; rows.push({ w: next++ }); } };
  let highest = 0;
  for (let i = 1; i < code.length; i++) {
    const further = code[i].of - code[highest].of;
    if (further > 0 || (further === 0 && i === highest + 1)) highest = i;
  }
  code.forEach((line, i) => {
    let row;
    if (wasm.length && line.of >= next) {
      upTo(line.of + 1);
      row = rows[rows.length - 1];
    } else {
      const before = rows[rows.length - 1];
      const away = wasm.length > 0 && line.of !== next - 1;
      row = { away: away && !(before && before.w === undefined && before.of === line.of) };
      rows.push(row);
    }
    row.c = i;
    row.of = line.of;
    row.out = i > highest;
    if (line.label) labelRow[line.label] = rows.indexOf(row, Math.max(0, rows.length - 1));
    if (i === highest) upTo(wasm.length);
  });
  upTo(wasm.length);
  return { wasm, code, rows, wasmRow, labelRow, marked: -1 };
}

/** Text with links: functions by index, labels. */
function linked(text, pattern) {
  const cell = make("span");
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    const target = match[1] ?? match[2];
    const isLabel = match[2] !== undefined;
    const shown = isLabel ? match[2] : nameOf(Number(target));
    cell.append(text.slice(last, match.index) + (isLabel ? match[0].slice(0, -match[2].length) : match[0].slice(0, -target.length).replace("@", "")));
    const link = make("a", shown);
    link.onclick = (event) => {
      event.stopPropagation();
      if (isLabel) codeRows.show(listing.labelRow[Number(match[2].slice(1))]);
      else if (position.has(Number(target))) location.hash = "f" + target;
    };
    cell.append(link);
    last = match.index + match[0].length;
  }
  cell.append(text.slice(last));
  cell.title = cell.textContent;
  if (sought && cell.textContent.toLowerCase().includes(sought)) cell.classList.add("found");
  return cell;
}

function codeRow(i) {
  const { w, c, of, away, out } = listing.rows[i];
  const wasm = w === undefined ? null : listing.wasm[w];
  const code = c === undefined ? null : listing.code[c];
  const row = make("div", undefined, "row");
  const line = w ?? of;
  if (out) row.classList.add("out");
  if (wasm?.gas) row.classList.add("block");
  if (line === listing.marked && listing.wasm.length) row.classList.add("same");
  row.append(make("span", wasm?.gas ? "gas " + wasm.gas : "", "gas"));
  const at = make("span", wasm ? wasm.offset.toString(16) : "", "at");
  if (wasm) at.onclick = () => { location.hash = hashOf(chosen, wasm.offset); };
  row.append(at);
  if (wasm) {
    const text = linked(wasm.text, /^(?:call |ref\.func )(\d+)$/g);
    text.style.paddingLeft = Math.min(wasm.depth, 12) * 10 + "px";
    row.append(text);
  } else if (away && listing.wasm[of]) {
    const text = make("span", `\u2191 ${listing.wasm[of].offset.toString(16)}  ${listing.wasm[of].text}`, "away");
    text.onclick = (event) => { event.stopPropagation(); listing.marked = of; codeRows.show(listing.wasmRow[of]); };
    row.append(text);
  } else row.append(make("span"));
  row.append(make("span", code ? code.offset.toString(16) : "", "at"));
  row.append(make("span", code?.label ? `L${code.label}:` : "", "label"));
  row.append(code ? linked(code.text, /^(?:call|jmp|j\w+|lea .*) @(\d+)|(?:^(?:j\w+|\.long) )(L\d+)/g) : make("span"));
  row.onmouseenter = () => { if (line !== undefined && listing.marked !== line) { listing.marked = line; mark(); } };
  row.dataset.line = line;
  return row;
}

/** Marks all rows in sight that belong to the same Wasm instruction. */
function mark() {
  for (const row of codeRows.shown.children)
    row.classList.toggle("same", listing.wasm.length > 0 && row.dataset.line === String(listing.marked));
}

const COLUMNS = [
  ["function", "index", (at) => index.function[at] < 0 ? "" : index.function[at]],
  ["name", "name", (at) => nameOf(index.function[at])],
  ["wasm", "Wasm", (at) => index.wasm[at]],
  ["code", "code", (at) => index.code[at]],
  ["frame", "frame", (at) => index.frame[at] || ""],
  ["logical", "logical", (at) => index.logical[at] ?? ""],
  ["gas", "gas", (at) => index.gas[at] ?? ""],
  ["hits", "found", (at) => hits?.get(at) ?? ""],
];
const UNITS = { wasm: "bytes", code: "bytes", frame: "bytes", logical: "units", gas: "gas" };
const TIPS = {
  function: "the function's index", name: "from the module's name section, if it has one",
  wasm: "bytes of the function's Wasm", code: "bytes of its machine code", frame: "bytes of native stack that a call takes",
  logical: "units of logical stack that a call takes", gas: "gas of all metered blocks, each charged once", hits: "how often the text is in it",
};

/** A name in three parts: the path of its crate and modules and its generic arguments may be cut, what is between is shown. */
function nameCell(name) {
  const cell = make("span");
  // The last `::` that is not within `<...>`.
  let depth = 0;
  const cuts = [0];
  for (let i = 0; i < name.length; i++) {
    if (name[i] === "<") depth++;
    else if (name[i] === ">" && name[i - 1] !== "-") depth--;
    else if (depth === 0 && /^::[^<]/.test(name.slice(i, i + 3)) && !/^::h[0-9a-f]{16}$/.test(name.slice(i))) cuts.push(i + 2);
  }
  // A closure says nothing without the function that it is in.
  while (cuts.length > 1 && name[cuts[cuts.length - 1]] === "{") cuts.pop();
  const cut = cuts.pop();
  if (cut > 0) cell.append(make("span", name.slice(0, cut), "path"));
  const own = /^(?:<[^>]*>|[^<]*?)(?=(?:::)?<|$)/.exec(name.slice(cut))[0] || name.slice(cut);
  cell.append(make("span", own, "own"));
  if (cut + own.length < name.length) cell.append(make("span", name.slice(cut + own.length), "path"));
  cell.title = name;
  return cell;
}

function functionRow(i) {
  const at = order[i];
  const row = make("div", undefined, at === chosen ? "row chosen" : "row");
  row.id = "row" + at;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", at === chosen);
  row.setAttribute("aria-setsize", order.length);
  row.setAttribute("aria-posinset", i + 1);
  row.classList.toggle("at-key", i === atKey);
  for (const [key, title, value] of COLUMNS) {
    const cell = key === "name" ? nameCell(value(at)) : make("span", value(at));
    if (key !== "name" && cell.textContent) cell.title = title;
    row.append(cell);
  }
  row.onclick = () => { location.hash = hashOf(at); };
  return row;
}

const functionRows = new Rows(by("functions"), functionRow);
const codeRows = new Rows(by("code"), codeRow);

const hashOf = (at, offset) => (index.function[at] < 0 ? "stubs" : "f" + index.function[at]) + (offset ? "/0x" + offset.toString(16) : "");

function list() {
  const wanted = by("filter").value.trim().toLowerCase();
  const fits = (at) => {
    const f = index.function[at];
    return (!hits || hits.has(at)) && (!wanted || String(f) === wanted || nameOf(f).toLowerCase().includes(wanted));
  };
  order = index.function.map((_, at) => at).filter(fits);
  const { key, down } = sorted;
  const value = key === "name" ? (at) => nameOf(index.function[at]) : key === "hits" ? (at) => hits?.get(at) ?? 0
    : (at) => key === "function" && index.function[at] < 0 ? Infinity : index[key][at] ?? -1;
  const compare = (a, b) => { const x = value(a), y = value(b); return x < y ? -1 : x > y ? 1 : a - b; };
  order.sort((a, b) => down ? compare(b, a) : compare(a, b));
  by("columns").replaceChildren(...COLUMNS.map(([key, title]) => {
    const cell = make("span");
    const button = make("button", (sorted.key === key ? (sorted.down ? "\u2193" : "\u2191") : "") + title);
    if (UNITS[key]) button.append(make("br"), make("small", UNITS[key]));
    button.title = TIPS[key];
    button.dataset.key = key;
    button.setAttribute("aria-pressed", sorted.key === key);
    button.onclick = () => {
      sorted = { key, down: sorted.key === key ? !sorted.down : key !== "function" && key !== "name" };
      list();
      by("functions").scrollTop = 0;
      by("columns").querySelector(`[data-key=${key}]`).focus();
    };
    cell.append(button);
    return cell;
  }));
  atKey = order.indexOf(chosen);
  functionRows.set(order.length);
}

/** Moves to another row of the list by a key; whether the key does that. */
function moveByKey(key) {
  const page = Math.max(1, Math.floor(by("functions").clientHeight / ROW) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -order.length, End: order.length };
  if (key === "Enter" || key === " ") {
    if (atKey >= 0) location.hash = hashOf(order[atKey]);
    return true;
  }
  if (!(key in steps) || order.length === 0) return false;
  atKey = Math.min(order.length - 1, Math.max(0, atKey + steps[key]));
  functionRows.show(atKey);
  by("functions").setAttribute("aria-activedescendant", "row" + order[atKey]);
  return true;
}

/** What there is to say of the module as a whole. */
function overview() {
  const part = (title, ...children) => {
    const element = make("section");
    element.append(make("h3", title), ...children);
    return element;
  };
  const names = (list, none) => {
    const element = make("ul");
    element.append(...(list.length ? list : [none]).map((name) => make("li", name)));
    return element;
  };
  const largest = (key, unit) => {
    const element = make("ol");
    const positions = index.function.map((_, at) => at).filter((at) => index.function[at] >= 0 && index[key][at] > 0);
    positions.sort((a, b) => index[key][b] - index[key][a]);
    for (const at of positions.slice(0, 10)) {
      const item = make("li");
      const link = make("a", nameOf(index.function[at]));
      link.href = "#" + hashOf(at);
      item.append(link, ` ${index[key][at].toLocaleString("en")} ${unit}`);
      element.append(item);
    }
    return element;
  };
  const legend = make("dl");
  for (const [term, text] of [
    ["gas", "what a metered block charges, at its first instruction"],
    ["dotted line", "where a metered block begins"],
    ["\u2191", "machine code whose Wasm stands further up"],
    ["L1:", "a label, by which machine code is jumped to"],
    ["grey code", "out of line: what a function does seldom"],
    ["yellow", "all that belongs to the Wasm instruction under the pointer"],
  ]) legend.append(make("dt", term), make("dd", text));
  const columns = make("dl");
  for (const [key, title] of COLUMNS) if (key !== "hits") columns.append(make("dt", title), make("dd", TIPS[key]));
  const all = make("div");
  all.append(part("Largest functions", largest("code", "bytes of code")), part("Largest frames", largest("frame", "bytes of stack")),
    part(`Imports (${index.imports.length})`, names(index.imports, "none")), part(`Exports (${index.exports.length})`, names(index.exports, "none")),
    part("The list's columns", columns), part("The code's marks", legend),
    part("Keys", names(["/: to the field for names", "arrows, Page Up, Page Down, Home, End, Enter: in the list", "n: the next place with the text"])));
  by("overview").replaceChildren(all);
}

/** Looks for text in all listings. */
async function search() {
  const wanted = by("text").value.trim().toLowerCase();
  sought = wanted;
  hits = null;
  if (wanted) {
    hits = new Map();
    const total = index.function.length;
    for (let at = 0, ordinal = 0; at < total; at++) {
      if (at === 0 || index.chunk[at] !== index.chunk[at - 1]) ordinal = 0;
      const text = (await chunk(index.chunk[at]))[ordinal++].toLowerCase();
      let found = 0;
      for (let from = text.indexOf(wanted); from >= 0; from = text.indexOf(wanted, from + wanted.length)) found++;
      if (found) hits.set(at, found);
      if (sought !== wanted) return;
      if (at % 256 === 0) by("state").textContent = `looking: ${Math.round(100 * at / total)} %`;
    }
    sorted = { key: "hits", down: true };
  }
  by("list").classList.toggle("hits", hits !== null);
  by("state").textContent = hits ? `${wanted}: in ${hits.size} functions` : "";
  list();
  codeRows.draw();
}

/** Shows the next line behind a row that has the text looked for. */
function nextHit(row) {
  const has = ({ w, c }) => [listing.wasm[w]?.text, listing.code[c]?.text].some((text) => text?.toLowerCase().includes(sought));
  const count = listing.rows.length;
  for (let step = 1; step <= count; step++) {
    const at = (row + step + count) % count;
    if (has(listing.rows[at])) { listing.hit = at; codeRows.show(at); return; }
  }
}

async function follow() {
  const match = /^#(?:f(\d+)|stubs)(?:\/0x([0-9a-f]+))?$/.exec(location.hash);
  by("overview").hidden = match !== null;
  by("code").hidden = match === null;
  by("head").hidden = match === null;
  if (!match) { chosen = -1; functionRows.draw(); return; }
  const at = position.get(match[1] === undefined ? -1 : Number(match[1]));
  if (at === undefined) { by("state").textContent = "there is no such function"; return; }
  if (at !== chosen) {
    const parsed = parse(await listingText(at));
    chosen = at;
    listing = parsed;
    const f = index.function[at];
    by("name").textContent = f < 0 ? nameOf(f) : `${f}  ${nameOf(f)}`;
    const logical = index.logical[at];
    by("facts").textContent = f < 0 ? `${index.code[at]} bytes of code` :
      `${index.ty[at]} \u00b7 ${index.wasm[at]} bytes of Wasm \u00b7 ${index.code[at]} of code \u00b7 frame ${index.frame[at]} bytes` +
      (logical === null ? "" : ` \u00b7 logical cost ${logical}`) + ` \u00b7 ${index.blocks[at] ?? "no"} metered blocks, gas ${index.gas[at] ?? "not defined"}`;
    by("code").scrollTop = 0;
    codeRows.set(listing.rows.length);
    const row = order.indexOf(at);
    atKey = row;
    if (row >= 0) functionRows.show(row); else functionRows.draw();
  }
  if (sought && !match?.[2]) nextHit(-1);
  if (match?.[2]) {
    const line = listing.wasm.findIndex((line) => line.offset === parseInt(match[2], 16));
    if (line >= 0) { listing.marked = line; codeRows.show(listing.wasmRow[line]); }
  }
}

async function open() {
  index = JSON.parse(await unpack(by("index-data").textContent.trim()));
  packedChunks = by("chunk-data").textContent.trim().split("\n");
  index.function.forEach((f, at) => position.set(f, at));
  by("title").textContent = index.title;
  by("sizes").textContent = `${index.wasm_bytes.toLocaleString("en")} bytes of Wasm, ${index.code_bytes.toLocaleString("en")} of ${index.target} code, ${(index.function.length - 1).toLocaleString("en")} functions`;
  overview();
  list();
  await follow();
  by("functions").addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && moveByKey(event.key)) event.preventDefault();
  });
  window.addEventListener("hashchange", follow);
  by("filter").addEventListener("input", list);
  by("text").addEventListener("change", search);
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT") return;
    if (event.key === "/") { event.preventDefault(); by("filter").focus(); }
    if (event.key === "n" && sought && chosen >= 0) nextHit(listing.hit ?? -1);
  });
  document.documentElement.dataset.opened = Math.round(performance.now());
}

open().catch((error) => { by("state").textContent = String(error); });
