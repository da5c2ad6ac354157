// Opens the HTML pages that the programs write in a headless Chromium and checks what a reader would notice.
//
//     node check.mjs INSPECT.html CONFORMANCE.html BENCH.html PROFILE.html...
//
// Checks each page wide and narrow, light and dark. axe-core finds barriers for people who use a screen reader or a
// keyboard. CHROMIUM names the browser, `chromium` by default. The exit code is 1 if a check fails.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 800 };

let passed = 0;
const failures = [];

function check(name, holds, more = "") {
  if (holds) passed++;
  else failures.push(`${name}${more ? `: ${more}` : ""}`);
}

/** The violations that axe-core rates critical or serious. */
async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  return violations
    .filter(({ impact }) => impact === "critical" || impact === "serious")
    .map(({ id, nodes }) => `${id} (${nodes.length}, such as ${nodes[0].html.slice(0, 120)})`);
}

/** Checks all widths and colours: no violations by axe-core, no content wider than the window. */
async function everywhere(page, name, prepare = async () => {}) {
  for (const size of [WIDE, NARROW]) {
    for (const colours of ["light", "dark"]) {
      const where = `${name}, ${size.width} px, ${colours}`;
      await page.setViewport(size);
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: colours }]);
      await prepare();
      const found = await findings(page);
      check(`${where}: accessible`, found.length === 0, found.join("; "));
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      check(`${where}: fits the window`, width <= size.width, `${width} px`);
    }
  }
}

async function inspect(browser, file) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.setViewport(WIDE);
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector("html[data-opened]");
  await everywhere(page, "inspect, overview");
  const title = await page.title();
  check("inspect: the title is no path", !title.startsWith("/") && title.length < 80, title);

  await page.setViewport(WIDE);
  const list = await page.$$eval("#functions .row", (rows) => rows.slice(0, 30).map((row) => {
    const own = row.querySelector(".own");
    return { code: Number(row.children[3].textContent), cut: own.scrollWidth > own.clientWidth, name: own.textContent };
  }));
  check("inspect: there are functions", list.length > 2, String(list.length));
  check("inspect: the largest are first", list.every(({ code }, i) => i === 0 || code <= list[i - 1].code));
  const cut = list.filter((row) => row.cut).map((row) => row.name);
  check("inspect: a function's own name is shown", cut.length * 10 <= list.length, cut.join(", "));

  // Keyboard only.
  await page.focus("#functions");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const at = await page.$eval("#functions", (element) => element.getAttribute("aria-activedescendant"));
  const second = await page.$eval("#functions .row:nth-child(2)", (row) => row.id);
  check("inspect: arrows move in the list", at === second, `${at}, ${second}`);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /^#(f\d+|stubs)$/.test(location.hash) && !document.getElementById("code").hidden);
  await page.waitForSelector("#code .row");
  const chosen = await page.$eval("#functions .chosen", (row) => row.id);
  check("inspect: Enter opens a function", chosen === second, chosen);
  const colour = () => page.$eval("#functions .chosen", (row) => getComputedStyle(row).backgroundColor);
  const before = await colour();
  await page.hover("#functions .chosen");
  check("inspect: the chosen row is marked under the pointer", (await colour()) === before);
  await everywhere(page, "inspect, function");
  await page.setViewport(NARROW);
  const code = await (await page.$("#code")).boundingBox();
  check("inspect: narrow windows show code", code.height > 150 && code.x >= 0 && code.width <= 390, JSON.stringify(code));

  // After sorting, the list is scrolled to its beginning.
  await page.setViewport(WIDE);
  await page.focus("#functions");
  await page.keyboard.press("End");
  await page.click("#columns button[data-key=name]");
  check("inspect: sorting shows the first rows", (await page.$eval("#functions", (element) => element.scrollTop)) === 0);
  check("inspect: no errors", errors.length === 0, errors.join("; "));

  await page.setJavaScriptEnabled(false);
  await page.reload();
  const said = await page.$eval("body", (body) => body.innerText);
  check("inspect: without scripts it says so", said.includes("JavaScript"));
  await page.close();
}

async function conformance(browser, file) {
  const page = await browser.newPage();
  await page.goto(pathToFileURL(file).href);
  await everywhere(page, "conformance");
  await page.close();
}

async function bench(browser, file) {
  const page = await browser.newPage();
  await page.goto(pathToFileURL(file).href);
  await everywhere(page, "bench");
  await page.setViewport(WIDE);
  // Finds texts in a chart that overlap, and charts without a table of their figures.
  const charts = await page.$$eval("svg", (charts) => charts.map((chart) => {
    // An axis may write the same number twice at one position.
    const texts = [...chart.querySelectorAll("text")].map((text) => ({ box: text.getBoundingClientRect(), text: text.textContent }));
    const lies = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const on = [];
    texts.forEach((a, i) => texts.slice(i + 1).forEach((b) => { if (a.text !== b.text && lies(a.box, b.box)) on.push(`${a.text} on ${b.text}`); }));
    return { title: chart.getAttribute("aria-label"), on };
  }));
  check("bench: there are charts", charts.length > 0);
  for (const { title, on } of charts) check(`bench, ${title}: labels do not lie on each other`, on.length === 0, on.slice(0, 3).join("; "));
  await page.close();
}

/** A flame graph. How long it takes to open is said, not checked: that depends on the machine. */
async function profile(browser, file) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.setViewport(WIDE);
  const began = performance.now();
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector("html[data-opened]");
  const name = `profile ${file.split("/").pop()}`;
  const frames = await page.$$eval("#frames > g", (groups) => groups.length);
  console.log(`${name}: ${frames} frames, opened in ${Math.round(performance.now() - began)} ms`);
  check(`${name}: there are frames`, frames > 2, String(frames));
  await everywhere(page, name);

  // The graph is as wide as the window, after every change of that.
  for (const size of [NARROW, WIDE]) {
    await page.setViewport(size);
    await page.waitForFunction((width) => {
      const root = [...document.querySelectorAll("#frames rect")].reduce((a, b) => (Number(b.getAttribute("fg:w")) > Number(a.getAttribute("fg:w")) ? b : a));
      return Math.abs(root.getBoundingClientRect().width - width) < 60;
    }, {}, size.width);
  }
  const texts = await page.$$eval("#frames > g", (groups) => groups.filter((group) => {
    const [text, rect] = [group.querySelector("text"), group.querySelector("rect")];
    return text.textContent !== "" && text.getBoundingClientRect().width > rect.getBoundingClientRect().width + 1;
  }).length);
  check(`${name}: names are within their frames`, texts === 0, `${texts} are not`);

  // Keyboard only: to a frame, enlarge it, back to the whole.
  const state = () => page.$eval("#state", (element) => element.textContent);
  const shown = () => page.$$eval("#frames > g", (groups) => groups.filter((group) => !group.classList.contains("hide")).length);
  await page.focus("#graph");
  await page.keyboard.press("Home");
  check(`${name}: the root is all`, (await state()).startsWith("all"), await state());
  await page.keyboard.press("ArrowUp");
  const above = await state();
  check(`${name}: arrows move between frames`, above !== "" && !above.startsWith("all"), above);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  const enlarged = await page.$eval("#frames .at rect", (rect) => rect.getBoundingClientRect().width);
  check(`${name}: Enter enlarges a frame`, enlarged > WIDE.width - 60, String(enlarged));
  await page.keyboard.press("Escape");
  check(`${name}: Escape shows the whole`, (await shown()) === frames, `${await shown()} of ${frames}`);

  // Search, by the field and by the table.
  await page.keyboard.press("/");
  const word = await page.$eval("td button", (button) => button.textContent);
  await page.keyboard.type(word);
  check(`${name}: search says how much`, /%/.test(await state()), await state());
  const marked = await page.$$eval("#frames rect", (rects) => rects.filter((rect) => rect.hasAttribute("fg:orig_fill")).length);
  check(`${name}: search marks frames`, marked > 0);
  await page.keyboard.press("Escape");
  const left = await page.$$eval("#frames rect", (rects) => rects.filter((rect) => rect.hasAttribute("fg:orig_fill")).length);
  check(`${name}: Escape ends the search`, left === 0, String(left));
  await page.focus("td button");
  await page.keyboard.press("Enter");
  check(`${name}: a name of the table is found`, (await state()).startsWith(word), await state());

  // Dark: the page's own background, and frames that differ from it.
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  const dark = await page.$eval("body", (body) => getComputedStyle(body).backgroundColor);
  check(`${name}: there is a dark mode`, dark.match(/\d+/g).every((part) => Number(part) < 60), dark);
  check(`${name}: no errors`, errors.length === 0, errors.join("; "));
  await page.close();
}

const [inspectPage, conformancePage, benchPage, ...profilePages] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  if (inspectPage) await inspect(browser, inspectPage);
  if (conformancePage) await conformance(browser, conformancePage);
  if (benchPage) await bench(browser, benchPage);
  for (const profilePage of profilePages) await profile(browser, profilePage);
} finally {
  await browser.close();
}
for (const failure of failures) console.error(`FAILED ${failure}`);
console.log(`pages: ${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length ? 1 : 0;
