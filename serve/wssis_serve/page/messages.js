// Messages to the person, and the dialog that asks for a token.

const element = (id) => document.getElementById(id);

export function say(text, isError = false) {
  const message = element("message");
  message.textContent = text;
  message.classList.toggle("error", isError);
  message.getAnimations().forEach((animation) => animation.cancel());
  if (!isError) message.animate({ opacity: [1, 1, 0] }, { duration: 4000, fill: "forwards" });
}

export function complain(text) {
  say(text, true);
}

// The promise of a choice between the labels of two people: true for those of this page.
// `mine` and `theirs` count them.
export function chooseLabels(text, mine, theirs) {
  return choose(text, `Keep mine (${mine})`, `Take theirs (${theirs})`);
}

// The same of the decisions of two people about a mask.
export function chooseDecision(text) {
  return choose(text, "Keep my decision", "Take theirs");
}

function choose(text, mine, theirs) {
  const dialog = element("conflict");
  element("conflict-text").textContent = text;
  element("keep-mine").textContent = mine;
  element("take-theirs").textContent = theirs;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault();
    dialog.onclose = () => resolve(dialog.returnValue === "mine");
  });
}

// The promise of a token.  `isFirst`: none has been refused yet.
export function askToken(isFirst) {
  const dialog = element("token-dialog");
  element("token-refused").hidden = isFirst;
  element("token").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.querySelector("form").onsubmit = () => resolve(element("token").value.trim());
  });
}
