// Frames of the camera as JPEGs with their capture times.

import { Rate } from "./rate.js";

const WIDTHS = [480, 400, 320]; // px; a face of 14% of the smallest is as small as the service takes
const FINEST = 0.85; // quality of JPEGs where the connection takes them all
const COARSEST = 0.5; // about half the bytes
const SPACING = 28; // ms; 25 and 30 frames/s pass whole though cameras jitter, 60 are halved

let small = 0; // number of the width in use; what this machine can take stays the same from attempt to attempt

/** @import { Shot } from "./types.js" */

export class Camera {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    this.canvas = document.createElement("canvas");
    /** @type {MediaStream | null} */
    this.stream = null;
    this.running = 0; // number of the run whose frames are wanted; 0 for none
    this.runs = 0;
    this.closed = false;
    this.quality = FINEST;
    this.films = new Rate(); // frames that the camera takes
    this.passes = new Rate(); // those of them that went up
  }

  /**
   * Opens the camera; throws an error whose name says why when it can't be had, AbortError if it was closed meanwhile.
   * @param {() => void} lost called when the camera goes away
   */
  async open(lost) {
    if (!navigator.mediaDevices) throw Object.assign(new Error(), { name: "InsecureError" });
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    if (this.closed) {
      this.close();
      throw new DOMException("", "AbortError");
    }
    this.stream.getVideoTracks()[0].addEventListener("ended", lost);
    this.video.srcObject = this.stream;
    await this.video.play();
    this.fit();
  }

  /** Give the canvas the shape of the camera's frames, which changes when a phone is turned. @returns {boolean} whether it changed */
  fit() {
    const { videoWidth, videoHeight } = this.video;
    const width = WIDTHS[small];
    const height = Math.round((width * videoHeight) / videoWidth);
    if (!videoWidth || (this.canvas.width === width && this.canvas.height === height)) return false;
    this.canvas.width = width;
    this.canvas.height = height;
    return true;
  }

  /**
   * Hands over frames until stopped, or until another run begins.
   * @param {(shot: Shot) => void} take @param {() => void} turned called before the first frame of another shape
   */
  run(take, turned) {
    const run = (this.running = this.runs += 1);
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    let latest = -Infinity;
    let encoding = false;
    let presented = 0; // frames of the camera so far, also those that this page was too busy for
    /** @param {number} now @param {{captureTime?: number, presentationTime?: number, presentedFrames?: number}} [frame] */
    const look = (now, frame) => {
      if (this.running !== run) return;
      this.next(look);
      const count = frame?.presentedFrames ?? presented + 1;
      this.films.add(performance.now(), presented ? count - presented : 1);
      presented = count;
      if (this.fit()) turned();
      const { width, height } = this.canvas;
      const time = frame?.captureTime ?? frame?.presentationTime ?? now;
      if (encoding || time - latest < SPACING) return;
      latest = time;
      encoding = true;
      context.drawImage(this.video, 0, 0, width, height);
      this.canvas.toBlob(async (jpeg) => {
        const bytes = jpeg && new Uint8Array(await jpeg.arrayBuffer());
        encoding = false; // only now, so that frames go up in their order
        if (!jpeg || !bytes || this.running !== run || this.canvas.height !== height) return;
        const message = new Uint8Array(8 + bytes.length);
        new DataView(message.buffer).setFloat64(0, time / 1000, true);
        message.set(bytes, 8);
        take({ time: time / 1000, jpeg, message: message.buffer });
      }, "image/jpeg", this.quality);
    };
    this.next(look);
  }

  /** Frames that don't pass get smaller at once, and finer again little by little. @param {boolean} passed */
  ease(passed) {
    if (passed) this.passes.add(performance.now());
    this.quality = passed ? Math.min(FINEST, this.quality + 0.002) : Math.max(COARSEST, this.quality - 0.05);
  }

  /** Send smaller pictures from the next frame on, which has another shape then. @returns {boolean} whether it can */
  shrink() {
    if (small === WIDTHS.length - 1) return false;
    small += 1;
    this.passes.clear();
    return true;
  }

  /** @param {(now: number, frame?: {captureTime?: number}) => void} look */
  next(look) {
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(look);
    else requestAnimationFrame(look);
  }

  close() {
    this.running = 0;
    this.closed = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.video.srcObject === this.stream) this.video.srcObject = null; // it may show the next one's by now
  }
}
