// A live session: find one's place, hold still, go; one take after the other over one socket.

import { Link, Refusal } from "./link.js";
import { WORDS } from "./strings.js";

const STEADY = 600; // ms of good guidance before "go"
const TAKE = 3000; // ms of a take, or more while the face still moves: a motion that is cut off is another one
const LONGEST = 6000; // ms of a take at most
const LATELY = 500; // ms for which what was heard of the face holds
const RESTART = 4000; // ms after which frames of finding one's place are forgotten, and by which the service hears of us

/** @typedef {import("./camera.js").Shot} Shot */
/** @typedef {{words: any, shots: Shot[], milliseconds: number}} Taken */

export class Session {
  /**
   * @param {import("./camera.js").Camera} camera open @param {import("./stage.js").Stage} stage
   * @param {AbortSignal} stopped
   */
  constructor(camera, stage, stopped) {
    this.camera = camera;
    this.stage = stage;
    this.stopped = stopped;
    /** @type {(words: any) => void} */
    this.answer = () => {};
    /** @type {(error: Error) => void} */
    this.refuse = () => {};
    /** @type {Error | null} what ended the session, also while nothing was asked */
    this.fault = null;
    this.link = new Link((heard) => this.hear(heard), (error) => this.fail(error));
    this.steady = 0;
    this.began = 0; // of the take; 0 before
    this.ended = 0;
    this.placing = 0;
    this.earliest = 0;
    this.answers = 0; // words of guidance in this take
    this.stirred = 0; // when the face was last heard to move
    /** @type {Shot[]} */
    this.shots = [];
    /** @type {any} of an enrolment: fewest and most takes */
    this.limits = null;
    this.idle = true;
    stopped.addEventListener("abort", () => this.fail(new DOMException("", "AbortError")));
    this.awake = setInterval(() => this.idle && this.link.say({ go: true }), RESTART);
  }

  /** @param {{purpose: string, user?: string, nonce?: string}} hello first words to the service */
  async open(hello) {
    this.stopped.throwIfAborted();
    await this.link.open(hello);
    if (hello.purpose === "enrol") this.limits = await this.word();
    this.stopped.throwIfAborted();
    this.camera.run((shot) => this.see(shot));
  }

  /**
   * One take; resolves with what the service says of it.
   * @param {number} [patience] ms before "go" at the earliest, so that what to do can be read
   * @returns {Promise<Taken>}
   */
  take(patience = 0) {
    this.steady = this.began = this.ended = this.answers = this.stirred = 0;
    this.shots = [];
    this.placing = performance.now();
    this.earliest = this.placing + patience;
    this.link.left = 0;
    this.idle = false;
    this.stage.fill(0);
    return new Promise((resolve, reject) => {
      if (this.fault) {
        reject(this.fault);
        return;
      }
      const rest = () => {
        this.idle = true;
        this.answer = this.refuse = () => {};
      };
      this.answer = (words) => {
        rest();
        resolve({ words, shots: this.shots, milliseconds: performance.now() - this.ended });
      };
      this.refuse = (error) => {
        rest();
        reject(error);
      };
    });
  }

  /** @param {Error} error */
  fail(error) {
    // A refused take is an answer; a session that has ended stays ended.
    if (error instanceof Refusal && this.ended) {
      this.refuse(error);
      return;
    }
    this.fault ??= error;
    this.refuse(error);
  }

  /** Say a word and wait for what comes back. @param {object} words @returns {Promise<any>} */
  ask(words) {
    this.link.say(words);
    return this.word();
  }

  /** What the service says next. @returns {Promise<any>} */
  word() {
    return new Promise((resolve, reject) => {
      if (this.fault) {
        reject(this.fault);
        return;
      }
      this.answer = resolve;
      this.refuse = reject;
    });
  }

  /** @param {Shot} shot */
  see(shot) {
    if (this.idle || this.ended) return;
    const now = performance.now();
    if (!this.began) {
      if (now - this.placing > RESTART) {
        this.link.say({ go: true });
        this.placing = now;
      }
      this.camera.ease(this.link.send(shot.message));
      return;
    }
    const share = (now - this.began) / TAKE;
    this.camera.ease(this.link.send(shot.message));
    this.shots.push(shot);
    this.stage.fill(Math.min(1, share));
    if (share > 0.75) this.stage.say(WORDS.rest);
    if (share < 1 || (now - this.stirred < LATELY && now - this.began < LONGEST)) return;
    this.ended = now;
    this.link.say({ done: true });
    this.stage.mood("done");
    this.stage.say(WORDS.judging);
  }

  /** @param {any} heard */
  hear(heard) {
    if (!heard.guidance) {
      this.answer(heard);
      return;
    }
    if (this.idle || this.ended) return;
    this.answers += 1;
    const now = performance.now();
    if (this.began) {
      if (heard.box && !heard.resting) this.stirred = now;
      this.stage.place(heard.box);
      return;
    }
    this.stage.guide(heard);
    this.steady = heard.guidance === "GO" ? this.steady || now : 0;
    if (this.steady && now - this.steady > STEADY && now > this.earliest) {
      this.link.say({ go: true });
      this.began = now;
      this.answers = 0;
      this.stage.mood("going");
      this.stage.say(WORDS.go);
    }
  }

  close() {
    clearInterval(this.awake);
    this.link.close();
    this.fail(new DOMException("", "AbortError"));
  }
}
