// Frames of the camera as JPEGs with their capture times.

const WIDTH = 480;
const QUALITY = 0.85;
const SPACING = 36; // ms; a little under 25 frames/s, since cameras jitter

export class Camera {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    this.canvas = document.createElement("canvas");
    /** @type {MediaStream | null} */
    this.stream = null;
    this.running = false;
  }

  /** Opens the camera; throws a DOMException with a name when it can't be had. */
  async open() {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" };
    this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    this.video.srcObject = this.stream;
    await this.video.play();
    this.canvas.width = WIDTH;
    this.canvas.height = Math.round((WIDTH * this.video.videoHeight) / this.video.videoWidth);
  }

  /**
   * Hands over frames until stopped: 8 bytes of capture time in seconds, then the JPEG.
   * @param {(message: ArrayBuffer) => void} send
   */
  run(send) {
    this.running = true;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    let latest = -Infinity;
    let encoding = false;
    /** @param {number} now @param {{captureTime?: number}} [frame] */
    const look = (now, frame) => {
      if (!this.running) return;
      this.next(look);
      const time = frame?.captureTime ?? now;
      if (encoding || time - latest < SPACING) return;
      latest = time;
      encoding = true;
      context.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
      this.canvas.toBlob(async (blob) => {
        encoding = false;
        if (!blob || !this.running) return;
        const jpeg = new Uint8Array(await blob.arrayBuffer());
        const message = new Uint8Array(8 + jpeg.length);
        new DataView(message.buffer).setFloat64(0, time / 1000, true);
        message.set(jpeg, 8);
        send(message.buffer);
      }, "image/jpeg", QUALITY);
    };
    this.next(look);
  }

  /** @param {(now: number, frame?: {captureTime?: number}) => void} look */
  next(look) {
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(look);
    else requestAnimationFrame(look);
  }

  close() {
    this.running = false;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }
}
