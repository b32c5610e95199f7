// What the first sight needs: its words. All else is asked for once that is painted.

import { $ } from "./elements.js";
import { fillIn } from "./fill.js";
import { PAGE } from "./strings.js";

const app = () => import("./app.js"); // loaded once, however often it is asked for

fillIn(PAGE);
const handed = new URLSearchParams(location.hash.slice(1));
$("user").value = handed.get("user") ?? $("user").value;
const enrol = handed.get("purpose") === "enrol-again" ? "enrol-again" : "enrol"; // as the nonce that was handed over
document.body.dataset.view = "home";
$("who").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  (await app()).begin(button?.value === "enrol" ? enrol : "verify", $("user").value);
});
$("try").onclick = async () => (await app()).trial();
requestAnimationFrame(() => setTimeout(() => app().catch(() => {}))); // a press of a button asks once more
