// A live session: find one's place, hold still, go; one take after the other over one socket.

import { Link, Refusal } from "./link.js";
import { soundEnd, soundGo } from "./sound.js";
import { STEPS, WORDS } from "./strings.js";

const STEADY = 600; // ms of good guidance before "go"
const RESTLESS = 600; // ms that a face moves before it is told to rest: a blink is shorter
const PATIENCE = 1500; // ms of good guidance, then "go" comes though the face moves
const TAKE = 3000; // ms of a take, or more while the face still moves: a motion cut off is another one
const LONGEST = 6000; // ms of a take at most
const LATELY = 500; // ms that news of the face hold
const RESTART = 4000; // ms after which frames of finding one's place are forgotten
const READING = 2000; // ms to read that the camera was turned
const PACING = 500; // ms between two looks at the rate of frames
const NEAR_LEAST = 1.5; // times the least rate; below, pictures get smaller
const FALLS_BEHIND = 0.8; // share of the camera's frames; below, it isn't the camera that is slow
const STEP_SHARE = 0.7; // of a step's time, after which it counts as shown
const NEARLY = 0.75; // share of a take from which the user is told to rest

/** @import { Answer, FrameGuidance, Judging, Placing, Shot, State, StepAsked, Taken } from "./types.js" */

export class Session {
  /**
   * @param {import("./camera.js").Camera} camera open @param {import("./stage.js").Stage} stage
   * @param {AbortSignal} stopped
   */
  constructor(camera, stage, stopped) {
    this.camera = camera;
    this.stage = stage;
    this.stopped = stopped;
    /** @type {State} */
    this.state = { name: "opening" };
    /** @type {(answer: any) => void} */
    this.answer = () => {};
    /** @type {(error: Error) => void} */
    this.refuse = () => {};
    this.link = new Link((message) => this.hear(message), (error) => this.fail(error));
    this.answers = 0; // frames of this take that the service answered
    this.least = 0; // frames a second that the service needs, once it said so
    this.paced = 0; // when the rate was looked at
    /** @type {Shot[]} */
    this.shots = [];
    stopped.addEventListener("abort", () => this.fail(new DOMException("", "AbortError")));
    this.awake = setInterval(() => {
      if (["opening", "idle"].includes(this.state.name)) this.link.say({ go: true });
    }, RESTART);
  }

  /**
   * @param {{purpose: string, [more: string]: string | number}} hello first message to the service
   * @returns {Promise<any>} what it answers before any take; undefined for nothing
   */
  async open(hello) {
    this.stopped.throwIfAborted();
    await this.link.open(hello);
    const answer = /^enrol|^study/.test(hello.purpose) ? await this.next() : undefined;
    this.stopped.throwIfAborted();
    this.camera.run((shot) => this.see(shot), () => this.turn());
    return answer;
  }

  /**
   * One take; resolves with what the service says of it.
   * @param {number} [patience] ms before "go" at the earliest, so that what to do can be read
   * @returns {Promise<Taken>}
   */
  async take(patience = 0) {
    const now = performance.now();
    if (this.state.name !== "over") this.state = { name: "placing", since: now, earliest: now + patience, steady: 0, stirred: 0 };
    this.answers = 0;
    this.shots = [];
    this.camera.passes.clear(); // between takes nothing went up
    this.link.left = 0;
    this.stage.fill(0);
    return this.taken(await this.next());
  }

  /** Beside the answer, figures of the take are noted for benchmarks. @param {Answer} answer @returns {Taken} */
  taken(answer) {
    const { began, ended } = /** @type {Judging} */ (this.state);
    this.state = { name: "idle" };
    const { dataset } = document.body;
    dataset.verdictMs = (performance.now() - ended).toFixed(1);
    dataset.guidancePerSecond = (this.answers / ((ended - began) / 1000)).toFixed(1);
    dataset.framesLeftOut = String(this.link.left);
    return { answer, shots: this.shots };
  }

  /** @param {Error} error */
  fail(error) {
    // A refused take is an answer. Where the service ends a session between takes, it also cuts the connection.
    if (error instanceof Refusal && ["judging", "idle"].includes(this.state.name)) this.state = { name: "idle" };
    else if (this.state.name !== "over") this.state = { name: "over", fault: error };
    this.refuse(error);
  }

  /** Say something and wait for what comes back. @param {object} message @returns {Promise<any>} */
  ask(message) {
    this.link.say(message);
    return this.next();
  }

  /** What the service says next, guidance apart. @returns {Promise<any>} */
  next() {
    return new Promise((resolve, reject) => {
      if (this.state.name === "over") {
        reject(this.state.fault);
        return;
      }
      this.answer = resolve;
      this.refuse = reject;
    });
  }

  /** @param {Shot} shot */
  see(shot) {
    const now = performance.now();
    if (this.state.name === "placing") {
      if (now - this.state.since > RESTART) {
        this.link.say({ go: true });
        this.state.since = now;
      }
      this.camera.ease(this.link.send(shot.message));
      this.pace(now);
    } else if (this.state.name === "moving") {
      const { began, stirred } = this.state;
      const share = (now - began) / TAKE;
      this.camera.ease(this.link.send(shot.message));
      this.pace(now);
      this.shots.push(shot);
      this.stage.fill(Math.min(1, share));
      if (share > NEARLY) this.stage.say(WORDS.rest);
      if (share < 1 || (now - stirred < LATELY && now - began < LONGEST)) return;
      this.judge(began, now);
    } else if (this.state.name === "showing") {
      const { began, until } = this.state;
      this.camera.ease(this.link.send(shot.message));
      this.stage.fill(Math.min(1, (now - began) / (until - began)));
      if (now >= until) this.judge(began, now);
    }
  }

  /** The frames of a take, or of a step after it, are complete. @param {number} began @param {number} ended */
  judge(began, ended) {
    this.state = { name: "judging", began, ended };
    this.link.say({ done: true });
    this.stage.mood("done");
    this.stage.hint(WORDS.hintDone);
    this.stage.say(WORDS.judging);
    soundEnd();
  }

  /** @param {StepAsked} asked what the service wants to see now */
  show({ challenge, message, seconds }) {
    const began = performance.now();
    this.state = { name: "showing", began, until: began + STEP_SHARE * 1000 * seconds };
    this.stage.fill(0);
    this.stage.mood("going");
    this.stage.say(STEPS[challenge] ?? message);
    soundGo();
  }

  /**
   * Show how many frames a second go up, and what keeps them back; while the user finds their place, make them smaller
   * before they are too few.
   * @param {number} now
   */
  pace(now) {
    if (now - this.paced < PACING) return;
    this.paced = now;
    const rate = this.camera.passes.perSecond(now);
    if (rate === null) return;
    const films = this.camera.films.perSecond(now) ?? rate;
    const slow = rate < this.least;
    this.stage.rate(rate, !slow ? "" : rate < FALLS_BEHIND * films ? WORDS.slowMachine(this.least) : WORDS.slowCamera(this.least));
    if (this.state.name !== "placing" || rate >= NEAR_LEAST * this.least || rate >= FALLS_BEHIND * films) return;
    if (this.camera.shrink()) this.state.steady = 0;
  }

  /** The camera was turned: frames of another shape don't belong to those before, so a take starts over. */
  turn() {
    this.stage.fit(this.camera.video);
    if (this.state.name !== "placing" && this.state.name !== "moving") return;
    const now = performance.now();
    this.link.say({ go: true });
    if (this.state.name === "moving") {
      this.state = { name: "placing", since: now, earliest: now + READING, steady: 0, stirred: 0 };
      this.shots = [];
      this.stage.fill(0);
      this.stage.mood("");
      this.stage.hint(WORDS.turned);
      this.stage.say(WORDS.turned);
    }
  }

  /** @param {FrameGuidance | StepAsked | Answer} message */
  hear(message) {
    if ("challenge" in message) this.show(message);
    else if (!("guidance" in message)) this.answer(message);
    else if (this.state.name === "placing") this.guide(message, this.state);
    else if (this.state.name === "moving") {
      this.answers += 1;
      if (message.box && !message.resting) this.state.stirred = performance.now();
      this.stage.place(message.box);
    }
  }

  /** @param {FrameGuidance} message @param {Placing} placing */
  guide(message, placing) {
    const now = performance.now();
    placing.stirred = message.moving ? placing.stirred || now : 0;
    this.stage.guide(message, Boolean(placing.stirred) && now - placing.stirred > RESTLESS);
    this.least = message.min_rate;
    const known = this.camera.passes.perSecond(now) !== null; // so that frames can get smaller before the motion
    placing.steady = message.guidance === "GO" && known ? placing.steady || now : 0;
    const wanted = placing.stirred ? PATIENCE : STEADY;
    if (!placing.steady || now - placing.steady <= wanted || now <= placing.earliest) return;
    this.link.say({ go: true });
    this.state = { name: "moving", began: now, stirred: 0 };
    this.answers = 0;
    this.stage.mood("going");
    this.stage.say(WORDS.go);
    soundGo();
  }

  close() {
    clearInterval(this.awake);
    this.link.close();
    this.fail(new DOMException("", "AbortError"));
  }
}
