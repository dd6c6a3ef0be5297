// Which key does what, for the keyboard and for the page that tells about it.

// Keys as `nameOf` names them, the command and its value, and the words in the overview.
const KEYS = [
  [["arrowright"], "next", null, "→", "next picture"],
  [["arrowleft"], "previous", null, "←", "previous picture"],
  [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "pick", Number, "1 – 9", "pick a class"],
  [["/"], "find", null, "/", "find a class by its name"],
  [["c"], "giveClass", null, "c", "give the selected object the picked class"],
  [["q"], "mode", "new", "q", "a click makes a new object"],
  [["w"], "mode", "on", "w", "a click is also on the selected object"],
  [["e"], "mode", "off", "e", "a click is not on the selected object"],
  [["x"], "toggleCross", null, "x", "a cross to point with: arrow keys (shift: fine steps), then Enter"],
  [["j"], "selectNext", 1, "j", "select the next object"],
  [["k"], "selectNext", -1, "k", "select the object before"],
  [["delete", "backspace"], "remove", null, "Delete", "remove the selected object"],
  [["a"], "accept", null, "a", "accept the student's instance under the pointer"],
  [["shift+a"], "acceptAll", null, "shift + a", "accept all that are shown"],
  [["u", "ctrl+z"], "undo", null, "u, ctrl + z", "undo"],
  [["r", "ctrl+shift+z", "ctrl+y"], "redo", null, "r, shift + ctrl + z", "do again"],
  [["escape"], "back", null, "Esc", "put away the cross, or deselect"],
  [["h"], "hide", null, "h", "hide or show the masks"],
  [["+", "="], "zoom", 1.5, "+", "zoom in; also the wheel"],
  [["-"], "zoom", 1 / 1.5, "−", "zoom out"],
  [["0"], "fit", null, "0", "the whole picture"],
  [["o"], "choose", null, "o", "add pictures"],
  [["s", "ctrl+s"], "download", null, "s", "download the labels"],
  [["?"], "help", null, "?", "this overview"],
];

const CLICKS = [
  ["click", "a new object of the picked class; on a point: select its object"],
  ["alt or ctrl + click", "a further point on the selected object"],
  ["shift + click, right click", "a point that is not on the selected object"],
  ["double click in the list", "accept the student's instance"],
  ["drag", "move the picture"],
];

// The command of a key event and its value; undefined where it has none, or belongs to a form.
export function commandOf(event) {
  const { target } = event;
  if (target.matches("input[type=search], input[type=password]")) return undefined;
  if (target.matches("input") && event.key.startsWith("Arrow")) return undefined;
  const name = nameOf(event);
  const found = KEYS.find(([keys]) => keys.includes(name));
  if (!found) return undefined;
  const [, command, value] = found;
  return { name: command, value: value === Number ? Number(name) : value };
}

function nameOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  const isLetter = /^[a-z]$/i.test(key);
  const isNamed = key.length > 1;
  const parts = [(ctrlKey || metaKey) && "ctrl", altKey && "alt"];
  if (isLetter || isNamed) parts.push(shiftKey && "shift"); // other signs have it in them
  return [...parts, key.toLowerCase()].filter(Boolean).join("+");
}

export function showKeys(list) {
  const lines = [...CLICKS, ...KEYS.map(([, , , shown, words]) => [shown, words])];
  for (const [shown, words] of lines) {
    const [pair, term, description] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = shown;
    description.textContent = words;
    pair.append(term, description);
    list.append(pair);
  }
}
