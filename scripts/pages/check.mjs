// Opens the HTML pages that the programs write in a headless Chromium and checks what a reader would notice.
//
//     node check.mjs INSPECT.html CONFORMANCE.html BENCH.html
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

const [inspectPage, conformancePage, benchPage] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  if (inspectPage) await inspect(browser, inspectPage);
  if (conformancePage) await conformance(browser, conformancePage);
  if (benchPage) await bench(browser, benchPage);
} finally {
  await browser.close();
}
for (const failure of failures) console.error(`FAILED ${failure}`);
console.log(`pages: ${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length ? 1 : 0;
