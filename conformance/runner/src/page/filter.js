const text = document.getElementById("text"), only = document.getElementById("only");
const rows = [...document.querySelectorAll("#matrix tbody tr")];
function filter() {
  const words = text.value.toLowerCase().split(/\s+/);
  let count = 0;
  for (const row of rows) {
    const rule = row.cells[0].textContent.toLowerCase();
    const shown = words.every(word => rule.includes(word)) && (!only.checked || row.className === "differs");
    row.hidden = !shown;
    count += shown;
  }
  document.getElementById("shown").textContent = count + " of " + rows.length + " rules";
}
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
}
text.addEventListener("input", filter);
only.addEventListener("change", filter);
addEventListener("hashchange", open);
filter();
open();
