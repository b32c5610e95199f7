// The service as the page sees it: REST, and the live socket (docs/reference/service.md).

/** @import { Answer, CutReason, FrameGuidance, Problem, StepAsked } from "./types.js" */

/** A refusal of the service, in its own words. */
export class Refusal extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.message);
    this.name = problem.error;
    this.seconds = problem.retry_seconds ?? 0;
  }
}

/** The connection went away, or couldn't be had. */
export class Cut extends Error {
  /** @param {CutReason} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** A script couldn't be had. */
export class Missing extends Cut {}

/** A module that is asked for only now. @template T @param {Promise<T>} coming @returns {Promise<T>} */
export const later = (coming) =>
  coming.catch(() => {
    throw new Missing("offline");
  });

const ROOT = new URL("../", import.meta.url); // of the service; a proxy may serve it under a path

/**
 * One request.
 * @param {string} path from the root of the service @param {RequestInit} [more] @returns {Promise<any>}
 */
export async function call(path, more) {
  let answer, body;
  try {
    answer = await fetch(new URL(path, ROOT), more);
    body = answer.status === 204 ? null : await answer.json();
  } catch { // nobody is there, or a proxy says so in words of its own
    throw new Cut("offline");
  }
  if (!answer.ok) throw new Refusal(body);
  return body;
}

/**
 * A message, and what is answered.
 * @param {string} path from the root of the service @param {object} message @returns {Promise<any>}
 */
export const post = (path, message) =>
  call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(message) });

export const ofUser = (/** @type {string} */ user) => `v1/users/${encodeURIComponent(user)}`;

let spent = false;

/** Whether the one nonce is used up that another site handed over; this page may not ask for more. */
export const sentBack = () => spent;

/** Whether another site hands over the nonces, which are good for what they were given for. */
export const handedOver = () => spent || Boolean(new URLSearchParams(location.hash.slice(1)).get("nonce"));

/**
 * @param {string} user @param {string} purpose
 * @param {string} proof nonce of that user's last attempt, which was accepted; who changes a motion needs it
 * @returns {Promise<string>}
 */
export async function nonce(user, purpose, proof) {
  const handed = new URLSearchParams(location.hash.slice(1)).get("nonce");
  if (handed) {
    spent = true;
    history.replaceState(null, "", location.pathname); // good once
    return handed;
  }
  if (spent) throw new Refusal({ error: "spent", message: "", retry_seconds: null });
  return (await post(`${ofUser(user)}/nonces`, { purpose, proof })).nonce;
}

/** @param {string} user @param {string} proof see nonce */
export const erase = (user, proof) => call(`${ofUser(user)}?proof=${encodeURIComponent(proof)}`, { method: "DELETE" });

const CONNECTING = 5000; // ms until a socket that doesn't open counts as none
const IN_FLIGHT = 4; // frames under way; more would only come late
const MOST_BUFFERED = 100_000; // bytes that wait in the browser; more frames would only come late

/**
 * One live session.
 * State: `connecting` until the socket is open, `closed` once this page closed it.
 */
export class Link {
  /**
   * @param {(answer: FrameGuidance | StepAsked | Answer) => void} hear
   * @param {(error: Error) => void} fail
   */
  constructor(hear, fail) {
    this.hear = hear;
    this.fail = fail;
    /** @type {"connecting" | "open" | "closed"} */
    this.state = "connecting";
    this.left = 0; // frames that the connection couldn't take
    this.flying = 0; // frames that nothing was heard of yet
    this.dropped = 0; // by the service, so far
    /** @type {WebSocket | null} */
    this.socket = null;
  }

  /** @param {object} hello */
  async open(hello) {
    const address = new URL("v1/live", ROOT);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.socket = new WebSocket(address));
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Cut("cut"));
      setTimeout(() => reject(new Cut("cut")), CONNECTING);
    });
    if (this.state === "connecting") this.state = "open";
    socket.onmessage = (event) => {
      /** @type {FrameGuidance | StepAsked | Answer | Problem} */
      const message = JSON.parse(event.data);
      if ("guidance" in message) this.land(message.dropped);
      if ("error" in message) this.fail(new Refusal(message));
      else this.hear(message);
    };
    socket.onerror = null;
    socket.onclose = () => {
      if (this.state !== "closed") this.fail(new Cut("cut"));
    };
    this.say(hello);
  }

  /** @param {object} message */
  say(message) {
    this.flying = 0; // whatever comes next, the service forgets or answers what it has
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /**
   * Frames that can't leave at once are left out: what comes late is of no use.
   * @param {ArrayBuffer} message @returns {boolean} whether it left
   */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    if (this.flying >= IN_FLIGHT || this.socket.bufferedAmount > MOST_BUFFERED) {
      this.left += 1;
      return false;
    }
    this.flying += 1;
    this.socket.send(message);
    return true;
  }

  /** One frame was looked at, and the service dropped as many as it says. @param {number} dropped since the start */
  land(dropped) {
    this.flying = Math.max(0, this.flying - 1 - (dropped - this.dropped));
    this.dropped = dropped;
  }

  close() {
    this.state = "closed";
    this.socket?.close();
  }
}
