// The console works without this file. It adds: generated passwords, looking again by itself, passkeys.
"use strict";

// A button below each new password that makes a strong one, shows it, and fills the field that repeats it too.
const KINDS = ["ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "!#$%^&*()_+-="];

function pick(characters) {
  // Values beyond the last whole multiple would favour the first characters.
  const limit = 256 - (256 % characters.length);
  for (;;) {
    const [value] = crypto.getRandomValues(new Uint8Array(1));
    if (value < limit) return characters[value % characters.length];
  }
}

function generate() {
  const all = KINDS.join("");
  for (;;) {
    const password = Array.from({ length: 24 }, () => pick(all)).join("");
    if (KINDS.every((kind) => [...password].some((character) => kind.includes(character)))) return password;
  }
}

for (const field of document.querySelectorAll("input[data-generate]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = "Generate";
  button.addEventListener("click", () => {
    const password = generate();
    for (const each of field.form.querySelectorAll("input[autocomplete=new-password]")) {
      each.type = "text";
      each.value = password;
    }
    field.select();
  });
  field.insertAdjacentElement("afterend", button);
}

// Looks again while others decide.
const again = document.querySelector("meta[name=rootward-look-again]");
const waiting = document.querySelector("form[data-look-again]");
if (again && waiting) setTimeout(() => waiting.submit(), Number(again.content) * 1000);
