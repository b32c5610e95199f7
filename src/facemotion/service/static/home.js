// What the first sight needs: its words. All else is asked for once that is painted.

import { $ } from "./elements.js";
import { fillIn } from "./fill.js";
import { recall } from "./memory.js";
import { typedName } from "./names.js";
import { FAULTS, PAGE, WORDS } from "./strings.js";

const app = () => import("./app.js"); // loaded once

/** Do what needs more scripts, or say that they can't be had. @template T @param {() => Promise<T>} load @param {(loaded: T) => unknown} work */
async function once(load, work) {
  const loaded = await load().catch(() => null);
  $("visit").hidden = Boolean(loaded);
  $("visit-back").hidden = !loaded;
  if (loaded) return work(loaded);
  $("home").hidden = true;
  [$("visit-title").textContent, $("visit-text").textContent] = FAULTS.offline;
  $("visit-begin").textContent = WORDS.again;
  $("visit-begin").onclick = () => location.reload();
  $("visit-title").focus();
}

fillIn(PAGE);
const handed = new URLSearchParams(location.hash.slice(1));
$("user").value = handed.get("user") ?? $("user").value;
const purpose = handed.get("purpose");
const enrol = purpose === "enrol-again" ? "enrol-again" : "enrol"; // as the nonce that was handed over
if (purpose && handed.has("nonce")) { // which is good for nothing else
  for (const button of $("who").querySelectorAll("button")) button.hidden = (button.value === "verify") !== (purpose === "verify");
}
const token = handed.get("session") || recall("session", "sessionStorage"); // of this tab
document.body.dataset.view = "home";
if (token) {
  $("home").hidden = true; // what a site asks for comes in its place
  const scripts = () => Promise.all([import("./visit.js"), app()]);
  once(scripts, ([{ openSession }]) => openSession(token, handed.has("session")));
}
$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  const name = typedName();
  if (name) once(app, ({ begin }) => begin(button?.value === "enrol" ? enrol : "verify", name));
});
for (const one of [$("how"), $("try"), ...$("who").querySelectorAll("[value=enrol]")]) // each may begin with a drawing
  one.addEventListener("pointerenter", () => import("./demo.js").catch(() => {}), { once: true });
$("how").onclick = () => once(app, ({ explain }) => explain());
$("try").onclick = () => once(app, ({ trial }) => trial());
requestAnimationFrame(() => setTimeout(() => app().catch(() => {})));
