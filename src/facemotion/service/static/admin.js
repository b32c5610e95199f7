// For administrators: who is enrolled, who is locked, how attempts went, and whether the threshold fits.

import { ADMIN, ADMIN_PAGE } from "./admin_strings.js";
import { $, shape } from "./elements.js";
import { fillIn } from "./fill.js";
import { Cut, call } from "./link.js";

const NEWEST = 1000; // entries that figures and the list rest on
const SHOWN = 100; // entries in the list
const PAGE = 25; // users at a time
const MOST = 1000; // that the service gives at a time
const BINS = 40;
/** @type {Record<string, number>} */
const DIGITS = { face_share: 2, damaged_share: 2, motion_energy: 1, rate: 1 };

/**
 * Messages of REST; docs/reference/service.md says what their fields hold.
 * @typedef {{number: number, at: number, actor: string, action: keyof typeof ADMIN.actions, user: string, outcome: string, detail: string}} Entry
 * @typedef {{factor: "motion" | "appearance", name: string, threshold: number, fmr: number, fnmr: number, genuine_trials: number, impostor_trials: number, subjects: number, source: string, takes: number, own: boolean}} Point
 * @typedef {{operating_point: Point, operating_points: Point[], choices: Point[], calibration_problem: string}} Models
 * @typedef {{user: string, enrolled_at: string | null, changed_at: string | null, encoder: string, takes: Record<string, number>, must_enrol_again: boolean, outdated: boolean, failures: number, wait_seconds: number, locked: boolean}} UserStatus
 * @typedef {{users: UserStatus[], next: string, total: number | null, outdated: number | null}} UserList
 */

let key = sessionStorage.getItem("key") ?? "";
let follows = ""; // name behind which the list goes on
let listing = 0; // number of the newest listing; older ones that are still waiting must not draw over it

/** @param {string} path @param {string} [method] */
const ask = (path, method = "GET") => call(path, { method, headers: { authorization: `Bearer ${key}` } });

/** @param {string} name @param {string} [text] @param {string} [style] */
function element(name, text = "", style = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = style;
  return made;
}

/** @param {(string | Node)[]} cells */
function row(cells) {
  const line = document.createElement("tr");
  for (const cell of cells) {
    const place = document.createElement("td");
    place.append(cell);
    line.append(place);
  }
  return line;
}

/**
 * Put rows into a table; each cell knows the name of its column, which stands before it where the screen is narrow.
 * @param {"entries" | "qualities" | "points" | "users"} id of the table's body @param {HTMLTableRowElement[]} rows
 */
function fill(id, rows) {
  const heads = [...($(id).parentElement?.querySelectorAll("th") ?? [])].map((head) => head.textContent ?? "");
  for (const line of rows) [...line.cells].forEach((cell, k) => (cell.dataset.column = line.cells.length > 1 ? heads[k] : ""));
  $(id).replaceChildren(...rows);
}

const date = (/** @type {string | number} */ value) =>
  new Date(value).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

const day = (/** @type {string} */ value) => value && new Date(value).toLocaleDateString(undefined, { dateStyle: "medium" });

/** The name of a model with enough of its hash to tell two apart. @param {string} id */
const shortId = (id) => id.replace(/(@\w{4})\w*$/, "$1");

/** What is short in its cell, whole under the pointer. @param {string} value @param {(value: string) => string} shorten */
function brief(value, shorten) {
  const made = element("span", shorten(value));
  made.title = value;
  return made;
}

/** Run something that may fail, and say so. @param {() => Promise<void>} work */
async function daring(work) {
  $("trouble").textContent = "";
  try {
    await work();
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    $("trouble").textContent = name === "AuthenticationError" ? ADMIN.wrongKey : error instanceof Cut ? ADMIN.away : message;
    if (name === "AuthenticationError") leave();
  }
}

function leave() {
  sessionStorage.removeItem("key");
  key = "";
  $("board").hidden = $("sign-out").hidden = true;
  $("door").hidden = false;
  $("key").focus();
}

async function open() {
  /** @type {[Models, {entries: Entry[]}]} */
  const [models, trail] = await Promise.all([ask("v1/models"), ask(`v1/audit?newest=true&limit=${NEWEST}`)]);
  sessionStorage.setItem("key", key);
  const enters = $("board").hidden;
  $("door").hidden = true;
  $("board").hidden = $("sign-out").hidden = false;
  if (enters) $("board").querySelector("h1")?.focus(); // the form is gone that had the focus
  const { entries } = trail;
  const attempts = entries.filter((entry) => entry.action === "verify");
  numbers(attempts);
  histogram(attempts, models.operating_points.filter((point) => point.factor === "motion"));
  calibration(models);
  qualities(attempts);
  fill("entries", entries.slice(-SHOWN).reverse().map((entry) => {
    const score = scoreOf(entry);
    const error = entry.outcome.endsWith("Error");
    const style = entry.outcome === "accepted" ? "good" : entry.action === "verify" || error ? "bad" : "";
    return row([
      date(1000 * entry.at), entry.user, ADMIN.actions[entry.action] ?? entry.action,
      element("span", error ? ADMIN.refused(entry.outcome) : /** @type {Record<string, string>} */ (ADMIN.outcomes)[entry.outcome] ?? entry.outcome, style),
      score === null ? "" : score.toFixed(2), entry.actor,
    ]);
  }));
  await list("", $("users").children.length);
}

/** @param {Entry} entry */
function scoreOf(entry) {
  return JSON.parse(entry.detail || "{}").scores?.motion ?? null;
}

/** @type {Record<string, "replayed" | "unknown" | "outdated">} */
const NOT_COMPARED = {
  replay: "replayed", frozen: "replayed", loop: "replayed", "two faces": "replayed",
  "presentation attack": "replayed", "step missed": "replayed", "in doubt": "replayed",
  "unknown user": "unknown", "must enrol again": "outdated",
};

/** What became of an attempt: of those that weren't compared, an error says that the clip was of no use. @param {Entry} entry */
const kindOf = ({ outcome }) =>
  outcome === "accepted" || outcome === "rejected" ? outcome : NOT_COMPARED[outcome] ?? "unusable";

/** @param {Entry[]} attempts */
function numbers(attempts) {
  const count = (/** @type {string} */ kind) => attempts.filter((entry) => kindOf(entry) === kind).length;
  const kinds = /** @type {const} */ (["accepted", "rejected", "replayed", "unknown", "outdated", "unusable"]);
  $("of-attempts").replaceChildren(...[
    figure(ADMIN.attempts, attempts.length), ...kinds.map((kind) => figure(ADMIN.kinds[kind], count(kind))),
  ]);
}

/** @param {string} name @param {number} value */
function figure(name, value) {
  const made = document.createElement("div");
  made.append(element("span", name), element("strong", String(value)));
  return made;
}

/** @param {Entry[]} attempts @param {Point[]} points of the motion that are in use, one for each number of takes */
function histogram(attempts, points) {
  const [low, high, base] = [-0.2, 1, 180];
  const x = (/** @type {number} */ value) => 20 + (600 * (value - low)) / (high - low);
  const kinds = ["accepted", "rejected", "replayed"];
  const bins = Array.from({ length: BINS }, () => [0, 0, 0]);
  for (const entry of attempts) {
    const [score, kind] = [scoreOf(entry), kinds.indexOf(kindOf(entry))];
    if (score === null || kind < 0) continue;
    const bin = Math.min(Math.max(Math.floor((BINS * (score - low)) / (high - low)), 0), BINS - 1);
    bins[bin][kind] += 1;
  }
  const most = Math.max(4, ...bins.map((counts) => counts.reduce((a, b) => a + b)));
  const parts = bins.flatMap((counts, k) => {
    const [left, width] = [x(low + ((high - low) * k) / BINS) + 1, 600 / BINS - 2];
    let top = base;
    return counts.map((count, kind) => {
      const height = (150 * count) / most;
      top -= height;
      return shape("rect", { class: kinds[kind], x: left, y: top, width, height });
    });
  });
  const marks = [0, 0.25, 0.5, 0.75, 1].map((value) => shape("text", { x: x(value), y: 205, "text-anchor": "middle" }, String(value)));
  const thresholds = points.map((point) => point.threshold);
  const [least, largest] = [Math.min(...thresholds), Math.max(...thresholds)];
  $("histogram-title").textContent = ADMIN.histogram;
  $("histogram").replaceChildren(
    $("histogram-title"), ...parts, shape("line", { class: "axis", x1: 20, x2: 620, y1: base, y2: base }), ...marks,
    // A template of several takes has a threshold of its own, so that scores are judged within this range.
    shape("rect", { class: "needed", x: x(least) - 1, width: x(largest) - x(least) + 2, y: 28, height: base - 28 }),
    shape("text", { x: 620, y: 20, "text-anchor": "end" }, ADMIN.threshold(least.toFixed(2), largest.toFixed(2))),
  );
}

/** Which thresholds there are, what they rest on, and which one decides. @param {Models} models */
function calibration({ operating_point: used, choices: points, calibration_problem: problem }) {
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)}%`;
  const calibrated = points.some((point) => point.own);
  $("point").textContent = problem || (used.own ? ADMIN.ownUsed : calibrated ? ADMIN.ownUnused : ADMIN.noOwn);
  $("point").className = used.own ? "" : "note";
  fill("points", points.map((point) => {
    const inUse = point.name === used.name;
    const name = point.takes > 1 ? ADMIN.ofTakes(point.name, point.takes) : point.name;
    const line = row([element("span", inUse ? ADMIN.used(name) : name, inUse ? "good" : ""), point.threshold.toFixed(3),
      percent(point.fmr), percent(point.fnmr), ADMIN.trials(point.genuine_trials, point.impostor_trials), String(point.subjects)]);
    if (inUse) line.setAttribute("aria-current", "true");
    return line;
  }));
  const sources = [...new Set(points.map((point) => point.source))];
  $("sources").replaceChildren(...sources.map((source) => element("p", ADMIN.from(
    [...new Set(points.filter((point) => point.source === source).map((point) => point.name))].join(", "), source,
  ), "small")));
}

/** @param {Entry[]} attempts */
function qualities(attempts) {
  /** @type {Record<string, number>[]} */
  const seen = attempts.map((entry) => JSON.parse(entry.detail || "{}").quality).filter(Boolean);
  fill("qualities", Object.entries(ADMIN.qualities).map(([name, words]) => {
    const values = seen.map((quality) => quality[name]).filter(Number.isFinite).sort((a, b) => a - b);
    const at = (/** @type {number} */ share) =>
      values.length ? values[Math.round(share * (values.length - 1))].toFixed(DIGITS[name] ?? 0) : "\u2013";
    return row([words, at(0.1), at(0.5), at(0.9)]);
  }));
}

/**
 * List users whose names match: whoever types fast begins several listings, and the last one stays.
 * @param {string} [after] name that the list goes on behind; "": anew @param {number} [least] users
 */
async function list(after = "", least = PAGE) {
  const number = (listing += 1);
  const limit = String(Math.min(Math.max(least, PAGE), MOST));
  /** @type {UserList} */
  const { users, next, total, outdated } = await ask(`v1/users?${new URLSearchParams({ limit, find: $("find").value.trim(), after })}`);
  if (number !== listing) return;
  const before = after ? /** @type {HTMLTableRowElement[]} */ ([...$("users").children]) : [];
  const rows = [...before, ...users.map(userRow)];
  fill("users", rows.length ? rows : [row([ADMIN.nobody])]);
  follows = next;
  $("more-users").hidden = !next;
  if (total === null || outdated === null) return;
  $("of-users").replaceChildren(figure(ADMIN.users, total), figure(ADMIN.earlierUsers, outdated));
}

/** @param {UserStatus} status */
function userRow({ user, enrolled_at: enrolled, changed_at: changed, encoder, takes, must_enrol_again: again, outdated, failures, wait_seconds: wait, locked }) {
  const path = `v1/users/${encodeURIComponent(user)}`;
  const state = locked ? ADMIN.locked : wait > 0 ? ADMIN.waits(Math.ceil(wait)) : again ? ADMIN.outdated : outdated ? ADMIN.earlier : ADMIN.open;
  const buttons = document.createElement("span");
  if (failures) buttons.append(button(ADMIN.unlock, user, () => ask(`${path}/unlock`, "POST")));
  const erase = button(ADMIN.erase, user, async () => {
    if (confirm(ADMIN.sure(user))) await ask(path, "DELETE");
  });
  erase.classList.add("danger");
  buttons.append(erase);
  const counts = Object.entries(takes).map(([factor, count]) => `${count} ${factor}`).join(", ");
  return row([user, brief(enrolled ?? "", day), brief(changed ?? "", day), brief(encoder, shortId), counts, String(failures),
    element("span", state, locked || wait ? "bad" : ""), buttons]);
}

/** @param {string} text @param {string} user @param {() => Promise<unknown>} work */
function button(text, user, work) {
  const made = document.createElement("button");
  made.textContent = text;
  made.type = "button";
  const label = `${text} ${user}`;
  made.setAttribute("aria-label", label);
  made.onclick = () => daring(async () => {
    await work();
    await open();
    // The row was drawn anew: whoever uses the keyboard goes on from it or, where it is gone, from the search.
    ([...$("users").querySelectorAll("button")].find((one) => one.ariaLabel === label) ?? $("find")).focus();
  });
  return made;
}

/** The whole trail as JSON Lines, page by page. */
async function save() {
  const lines = [];
  for (let after = 0; ;) {
    const { entries } = await ask(`v1/audit?after=${after}&limit=1000`);
    if (!entries.length) break;
    lines.push(...entries.map((/** @type {Entry} */ entry) => `${JSON.stringify(entry)}\n`));
    after = entries.at(-1).number;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  link.download = "facemotion-audit.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  $("key").value = "";
  daring(open);
});
$("sign-out").onclick = leave;
$("find").addEventListener("input", () => daring(list));
$("more-users").onclick = () => daring(() => list(follows));
$("export").onclick = () => daring(save);
fillIn(ADMIN_PAGE);
if (key) daring(open);
