// Sit down, make your face, be let in: one session over the live socket (docs/service.md).

import { Camera } from "./camera.js";
import { GUIDANCE, WORDS } from "./strings.js";

const TAKES = 3;
const STEADY = 600; // ms of good guidance before "go"
const TAKE = 3000; // ms of a take
const RESTART = 5000; // ms after which frames of finding one's place are forgotten

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** @param {string} text @param {"good" | "bad" | ""} kind */
function tell(text, kind) {
  $("result").textContent = text;
  $("result").className = kind;
}

/** @param {string} text */
function guide(text) {
  if ($("guidance").textContent !== text) $("guidance").textContent = text;
}

/** @param {number} share of the ring, 0..1 */
function fill(share) {
  $("ring").style.strokeDasharray = `${100 * share} 100`;
}

/** @param {string} user @param {string} purpose */
async function askNonce(user, purpose) {
  const answer = await fetch(`/v1/users/${encodeURIComponent(user)}/nonces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ purpose }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message);
  return body.nonce;
}

/**
 * One session, from the nonce to the verdict.
 * @param {string} user @param {"verify" | "enrol"} purpose @param {AbortSignal} stopped
 */
async function session(user, purpose, stopped) {
  const camera = new Camera($("camera"));
  try {
    $("stage").hidden = false;
    guide(WORDS.wait);
    await camera.open();
    const nonce = await askNonce(user, purpose);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/v1/live`);
    await new Promise((resolve, reject) => {
      let steady = 0;
      let placing = performance.now();
      let going = 0;
      let take = 1;
      const say = (/** @type {object} */ words) => socket.send(JSON.stringify(words));
      const place = () => {
        going = steady = 0;
        placing = performance.now();
        fill(0);
        if (purpose === "enrol") tell(WORDS.take(take, TAKES), "");
      };
      stopped.addEventListener("abort", () => { socket.close(); reject(new Error(WORDS.stopped)); });
      socket.onopen = () => {
        say({ user, nonce, purpose });
        place();
        camera.run((frame) => {
          if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > 200_000) return;
          const now = performance.now();
          if (going && now - going > TAKE) {
            if (going !== Infinity) say({ done: true });
            going = Infinity;
            guide(WORDS.look);
            return;
          }
          if (going === Infinity) return;
          if (going) fill(Math.min(1, (now - going) / TAKE));
          else if (now - placing > RESTART) { say({ go: true }); placing = now; }
          socket.send(frame);
        });
      };
      socket.onmessage = (event) => {
        const heard = JSON.parse(event.data);
        if (heard.guidance) {
          const ready = heard.guidance === "GO";
          $("oval").classList.toggle("ready", ready);
          const now = performance.now();
          if (going) { guide(going === Infinity ? WORDS.look : WORDS.go); return; }
          steady = ready ? steady || now : 0;
          guide(GUIDANCE[/** @type {keyof typeof GUIDANCE} */ (heard.guidance)] ?? heard.message);
          if (steady && now - steady > STEADY) { say({ go: true }); going = now; guide(WORDS.go); }
        } else if ("accepted" in heard) {
          resolve(tell(heard.accepted ? WORDS.accepted : WORDS.rejected, heard.accepted ? "good" : "bad"));
        } else if (heard.enrolled) {
          resolve(tell(WORDS.enrolled, "good"));
        } else if (heard.takes) {
          take = heard.takes + 1;
          if (take > TAKES) say({ enrol: true });
          else place();
        } else if (heard.error) {
          if (purpose === "enrol" && going === Infinity && take <= TAKES) { place(); tell(WORDS.again(heard.message), "bad"); }
          else reject(new Error(heard.message));
        }
      };
      socket.onclose = () => reject(new Error(WORDS.cut));
    });
    socket.close();
  } finally {
    camera.close();
    fill(0);
    $("stage").hidden = true;
    guide("");
  }
}

$("who").addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const purpose = /** @type {HTMLButtonElement} */ (event.submitter).value;
  const stop = new AbortController();
  $("stop").hidden = false;
  $("who").hidden = true;
  $("stop").onclick = () => stop.abort();
  tell("", "");
  try {
    await session($("user").value, /** @type {"verify" | "enrol"} */ (purpose), stop.signal);
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    tell(/** @type {any} */ (WORDS)[name] ?? message, "bad");
  }
  $("stop").hidden = true;
  $("who").hidden = false;
});
