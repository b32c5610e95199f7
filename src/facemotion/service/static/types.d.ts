// What scripts of the pages share: elements by their ids, messages, and what a session does. The type checker alone reads
// this file. Tests hold it to the HTML and to the service; docs/reference/service.md says what fields of messages hold.

/** The elements of index.html and admin.html. */
export interface Elements {
  "brand": HTMLElement; "home": HTMLElement; "who": HTMLFormElement; "user": HTMLInputElement;
  "visit": HTMLElement; "visit-title": HTMLElement; "visit-text": HTMLElement; "visit-begin": HTMLButtonElement;
  "visit-back": HTMLButtonElement; "visit-note": HTMLElement; "study-text": HTMLElement; "name-trouble": HTMLElement; "consent": HTMLElement; "terms": HTMLElement;
  "agree": HTMLButtonElement; "decline": HTMLButtonElement; "above": HTMLElement; "below": HTMLElement;
  "how": HTMLButtonElement; "demo": HTMLElement; "demo-head": SVGSVGElement; "demo-title": SVGTitleElement;
  "demo-steps": HTMLElement; "demo-on": HTMLButtonElement; "demo-again": HTMLButtonElement;
  "review-next": HTMLElement; "newcomer": HTMLButtonElement;
  "try": HTMLButtonElement; "stage": HTMLElement; "heading": HTMLElement; "dots": HTMLElement; "frame": HTMLElement;
  "camera": HTMLVideoElement; "overlay": SVGSVGElement; "shade": SVGPathElement; "oval": SVGPathElement;
  "ring": SVGPathElement; "guidance": HTMLElement; "hint": HTMLElement; "slow": HTMLElement; "rate": HTMLElement; "cancel": HTMLButtonElement;
  "review": HTMLElement; "review-title": HTMLElement; "replay": HTMLCanvasElement; "size": HTMLElement;
  "meter": HTMLMeterElement; "size-word": HTMLElement; "warnings": HTMLElement; "next": HTMLButtonElement;
  "watch": HTMLButtonElement; "over": HTMLButtonElement; "verdict": HTMLElement; "mark": SVGSVGElement;
  "mark-path": SVGPathElement; "verdict-title": HTMLElement; "verdict-text": HTMLElement;
  "again": HTMLButtonElement; "home-again": HTMLButtonElement; "change": HTMLButtonElement;
  "erase": HTMLButtonElement; "compare": HTMLElement; "compare-title": HTMLElement; "compare-text": HTMLElement;
  "scale": SVGSVGElement; "scale-title": SVGTitleElement; "curves-frame": HTMLElement; "curves": SVGSVGElement;
  "curves-title": SVGTitleElement; "curves-caption": HTMLElement; "strips": HTMLElement;
  "try-again": HTMLButtonElement; "compare-home": HTMLButtonElement;
  "sign-out": HTMLButtonElement; "door": HTMLElement; "sign-in": HTMLFormElement; "key": HTMLInputElement;
  "trouble": HTMLElement; "board": HTMLElement; "numbers": HTMLElement; "of-users": HTMLElement; "of-attempts": HTMLElement; "scores": HTMLElement;
  "histogram": SVGSVGElement; "histogram-title": SVGTitleElement; "legend": HTMLElement;
  "camera-quality": HTMLElement; "qualities": HTMLElement; "calibration": HTMLElement; "point": HTMLElement;
  "points": HTMLElement; "sources": HTMLElement; "people": HTMLElement; "find": HTMLInputElement;
  "users": HTMLElement; "more-users": HTMLButtonElement; "trail": HTMLElement; "entries": HTMLElement;
  "export": HTMLButtonElement;
}

/** What a nonce is for; enrol is for new users alone. */
export type Purpose = "verify" | "enrol" | "enrol-again";
/** What a site may ask for. */
export type VisitPurpose = Purpose | "study";
/** What the camera is for. */
export type Kind = "verify" | "enrol" | "try" | "study";
/** No answer; no live connection any more; none for a trial. */
export type CutReason = "offline" | "cut" | "noTry";

// Messages of live sessions.
export type FrameGuidance = { guidance: keyof typeof import("./strings.js").GUIDANCE; message: string; box: number[] | null; resting: boolean; moving: boolean; frames: number; dropped: number; turned: boolean; min_rate: number };
export type StepAsked = { challenge: keyof typeof import("./strings.js").STEPS; message: string; seconds: number };
export type LiveVerdict = { accepted: boolean; dropped: number };
export type TakeLimits = { min_takes: number; max_takes: number };
export type TakeKept = { takes: number; size: number; warnings: string[]; dropped: number; again?: undefined };
export type TakeRefused = { takes: number; again: string };
export type LiveEnrolled = { enrolled: true; takes: number; warnings: string[] };
export type FirstTake = { takes: 1; dropped: number };
export type Comparison = { match: boolean; score: number; threshold: number; curves: [number[], number[]]; pairs: [number, number, number][] };
export type Problem = { error: string; message: string; retry_seconds: number | null };
export type StudyTake = { motion: string; take: number; takes: number; kept: number; of: number };
export type Answer = LiveVerdict | StudyTake | TakeLimits | TakeKept | TakeRefused | LiveEnrolled | FirstTake | Comparison;

// Messages of REST.
export interface PageSession {
  token: string; user: string; purpose: VisitPurpose; site: string; tries: number; ended: boolean; consent: string; consent_sha256: string;
}
export interface PageReturn { address: string; frame_origin: string; session: string; code: string; state: string }

export interface Shot {
  /** capture time in seconds */
  time: number;
  /** the picture, not mirrored */
  jpeg: Blob;
  /** what goes up: the time as float64, then the JPEG */
  message: ArrayBuffer;
}

/** One take. */
export interface Taken {
  /** of the service */
  answer: Answer;
  /** its frames */
  shots: Shot[];
}

// What a session does now; times are milliseconds of `performance.now`.
/** Before the first take. */
export type Opening = { name: "opening" };
/** Between takes: frames aren't sent, and the service hears of us now and then. */
export type Idle = { name: "idle" };
/**
 * The user finds their place; frames since `since` will be forgotten, "go" comes at the `earliest`, guidance is good from
 * `steady` on and the face moves from `stirred` on (0: it isn't, or doesn't).
 */
export type Placing = { name: "placing"; since: number; earliest: number; steady: number; stirred: number };
/** The motion is made; the face moved last at `stirred`. */
export type Moving = { name: "moving"; began: number; stirred: number };
/** The take is with the service. */
export type Judging = { name: "judging"; began: number; ended: number };
/** A step that the service asked for after the motion. */
export type Showing = { name: "showing"; began: number; until: number };
/** It ended before its time, or was closed. */
export type Over = { name: "over"; fault: Error };
export type State = Opening | Idle | Placing | Moving | Judging | Showing | Over;
