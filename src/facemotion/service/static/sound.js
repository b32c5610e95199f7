// Sounds and vibration at "Go" and at the end of a take: made here, of no file.

import { recall, remember } from "./memory.js";

const KEPT = "quiet"; // where the browser remembers that they are off
const GO = [[659, 0, 0.1], [988, 0.11, 0.18]]; // Hz, and seconds from when and for how long: upwards
const END = [[988, 0, 0.1], [659, 0.11, 0.22]]; // downwards
const LOUD = 0.16; // of full scale
const EDGE = 0.015; // s in which a tone comes and goes, so that it doesn't click

/** @type {AudioContext | null} */
let audio = null;
let quiet = Boolean(recall(KEPT));

/** Browsers allow sounds that a press of a button made ready. */
export function readySound() {
  if (quiet || !("AudioContext" in window)) return;
  audio ??= new AudioContext();
  audio.resume().catch(() => {}); // without sound all else works
}

/** The motion begins. */
export const soundGo = () => signal(GO, [90]);

/** The motion may end. */
export const soundEnd = () => signal(END, [50, 70, 50]);

/** @param {number[][]} tones @param {number[]} pulses ms of vibration and pause */
function signal(tones, pulses) {
  if (quiet) return;
  navigator.vibrate?.(pulses);
  if (audio?.state !== "running") return;
  for (const [pitch, from, length] of tones) {
    const [tone, gain, start] = [audio.createOscillator(), audio.createGain(), audio.currentTime + from];
    tone.frequency.value = pitch;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(LOUD, start + EDGE);
    gain.gain.setValueAtTime(LOUD, start + length - EDGE);
    gain.gain.linearRampToValueAtTime(0, start + length);
    tone.connect(gain).connect(audio.destination);
    tone.start(start);
    tone.stop(start + length);
  }
}

const switches = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("button.sound"));

function show() {
  for (const one of switches) one.setAttribute("aria-pressed", String(!quiet));
}

for (const one of switches) {
  one.onclick = () => {
    quiet = !quiet;
    show();
    remember(KEPT, quiet ? "yes" : "");
    readySound();
    soundGo(); // to hear what was turned on
  };
}
show();
