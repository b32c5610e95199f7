// What the first sight needs: its words. All else is asked for once that is painted.

import { fillIn } from "./fill.js";
import { PAGE } from "./strings.js";

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const app = () => import("./app.js"); // loaded once, however often it is asked for

fillIn(PAGE);
const handed = new URLSearchParams(location.hash.slice(1));
if (handed.get("user")) $("user").value = handed.get("user");
document.body.dataset.view = "home";
$("who").addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  (await app()).begin(button?.value === "enrol" ? "enrol" : "verify", $("user").value);
});
$("try").onclick = async () => (await app()).trial();
requestAnimationFrame(() => setTimeout(() => app().catch(() => {}))); // a press of a button asks once more
