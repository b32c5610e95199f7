// User names, checked in words of ours before the service would refuse them.

import { $ } from "./elements.js";
import { WORDS } from "./strings.js";

const MOST = 128; // characters

/** What is wrong with a user name; "" where nothing is. @param {string} name */
function trouble(name) {
  if (!name) return WORDS.nameMissing;
  if (name.startsWith(".")) return WORDS.nameDot;
  if (name.length > MOST) return WORDS.nameLong(MOST);
  const wrong = name.match(/[^A-Za-z0-9._@+-]/u)?.[0];
  return wrong ? WORDS.nameWrong(wrong.trim() || WORDS.blank) : "";
}

/** The name that was typed; "" where it can't be one, and the page says why. */
export function typedName() {
  const field = $("user");
  const name = field.value.trim();
  const wrong = trouble(name);
  say(wrong);
  if (wrong) field.focus();
  else field.value = name;
  return wrong ? "" : name;
}

/** @param {string} wrong */
function say(wrong) {
  $("name-trouble").textContent = wrong;
  $("user").setAttribute("aria-invalid", String(Boolean(wrong)));
}

$("user").addEventListener("input", () => say("")); // until it is sent again
