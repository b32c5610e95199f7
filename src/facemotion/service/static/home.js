// What the first sight needs: its words. All else is asked for once that is painted.

import { $ } from "./elements.js";
import { fillIn } from "./fill.js";
import { recall } from "./memory.js";
import { typedName } from "./names.js";
import { PAGE } from "./strings.js";

const app = () => import("./app.js"); // loaded once, however often it is asked for

fillIn(PAGE);
const handed = new URLSearchParams(location.hash.slice(1));
$("user").value = handed.get("user") ?? $("user").value;
const purpose = handed.get("purpose");
const enrol = purpose === "enrol-again" ? "enrol-again" : "enrol"; // as the nonce that was handed over
if (purpose && handed.has("nonce")) { // which is good for nothing else
  for (const button of $("who").querySelectorAll("button")) button.hidden = (button.value === "verify") !== (purpose === "verify");
}
const token = handed.get("session") || recall("session", "sessionStorage"); // of this tab, which was loaded again
document.body.dataset.view = "home";
if (token) {
  $("home").hidden = true; // what a site asks for comes in its place
  Promise.all([import("./visit.js"), app()]).then(([loaded]) => loaded.openSession(token, handed.has("session")));
}
$("who").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  const name = typedName();
  if (name) (await app()).begin(button?.value === "enrol" ? enrol : "verify", name);
});
for (const one of [$("how"), $("try"), ...$("who").querySelectorAll("[value=enrol]")]) // each may begin with a drawing
  one.addEventListener("pointerenter", () => import("./demo.js").catch(() => {}), { once: true });
$("how").onclick = async () => (await app()).explain();
$("try").onclick = async () => (await app()).trial();
requestAnimationFrame(() => setTimeout(() => app().catch(() => {}))); // a press of a button asks once more
