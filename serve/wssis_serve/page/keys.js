// Keys and their commands, for the keyboard and for the overview.

// Keys as named by `nameOf`, the command and its value, and the words in the overview.
const KEYS = [
  [["arrowright"], "next", null, "→", "next image"],
  [["arrowleft"], "previous", null, "←", "previous image"],
  [["d"], "finish", null, "d", "this image is done, or this mask is right: go to the next open one"],
  [["shift+d"], "reopen", null, "shift + d", "this image is not done after all"],
  [["n"], "nextOpen", null, "n", "go to the next image that is open"],
  [["shift+n"], "skip", null, "shift + n", "skip this image for now"],
  [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "pick", Number, "1 – 9", "pick a class"],
  [["/"], "find", null, "/", "find a class by name"],
  [["c"], "giveClass", null, "c", "give the selected object the picked class"],
  [["q"], "mode", "new", "q", "a click adds a new object"],
  [["w"], "mode", "on", "w", "a click is on the selected object"],
  [["e"], "mode", "off", "e", "a click is off the selected object"],
  [["b"], "mode", "brush", "b", "brush: a stroke adds to the selected object, or begins a new one"],
  [["v"], "mode", "eraser", "v", "eraser: a stroke takes away from the selected object"],
  [["l"], "mode", "outline", "l", "outline: a stroke around an object is filled"],
  [["p"], "mode", "vertices", "p", "vertices of the selected object: drag one; drag a side for a new one; shift + click removes one"],
  [["t"], "mode", "cut", "t", "cut: a stroke through the selected object makes two of it"],
  [["m"], "merge", null, "m", "merge the selected object with the one under the pointer"],
  [["["], "resize", -1, "[", "a smaller brush"],
  [["]"], "resize", 1, "]", "a larger brush"],
  [["g"], "drawAgain", null, "g", "draw the selected object again from its clicks"],
  [["x"], "toggleCrosshair", null, "x", "a crosshair to point with: arrow keys (shift: fine steps), then Enter; Enter again ends a stroke"],
  [["j"], "selectNext", 1, "j", "select the next object"],
  [["k"], "selectNext", -1, "k", "select the previous object"],
  [["delete", "backspace"], "remove", null, "Delete", "remove the selected object; in a review: delete the mask, go to the next"],
  [["a"], "accept", null, "a", "accept the student's instance under the pointer"],
  [["shift+a"], "acceptAll", null, "shift + a", "accept all shown instances"],
  [["u", "ctrl+z"], "undo", null, "u, ctrl + z", "undo"],
  [["r", "ctrl+shift+z", "ctrl+y"], "redo", null, "r, shift + ctrl + z", "redo"],
  [["escape"], "back", null, "Esc", "hide the crosshair, or deselect"],
  [["h"], "hide", null, "h", "hide or show the masks"],
  [["+", "="], "zoom", 1.5, "+", "zoom in; or use the wheel"],
  [["-"], "zoom", 1 / 1.5, "−", "zoom out"],
  [["0"], "fit", null, "0", "fit the image"],
  [["o"], "choose", null, "o", "add images"],
  [["s", "ctrl+s"], "download", null, "s", "download the labels"],
  [["?"], "help", null, "?", "this overview"],
];

const CLICKS = [
  ["click", "add an object of the picked class; on a point: select its object"],
  ["alt or ctrl + click", "add a point on the selected object"],
  ["shift + click, right click", "add a point off the selected object"],
  ["double click in the list", "accept the student's instance"],
  ["drag", "move the image; with brush, eraser or outline: draw"],
  ["middle button", "move the image, also while drawing"],
];

// The command of a key event and its value; undefined if it has none, or belongs to a form.
export function commandOf(event, keys = KEYS) {
  const { target } = event;
  if (target.matches("input[type=search], input[type=password]")) return undefined;
  if (target.matches("input") && event.key.startsWith("Arrow")) return undefined;
  const name = nameOf(event);
  const found = keys.find(([names]) => names.includes(name));
  if (!found) return undefined;
  const [, command, value] = found;
  return { name: command, value: value === Number ? Number(name) : value };
}

function nameOf({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  const isLetter = /^[a-z]$/i.test(key);
  const isNamed = key.length > 1;
  const parts = [(ctrlKey || metaKey) && "ctrl", altKey && "alt"];
  if (isLetter || isNamed) parts.push(shiftKey && "shift"); // other characters include it
  return [...parts, key.toLowerCase()].filter(Boolean).join("+");
}

export function showKeys(list, keys = KEYS, clicks = CLICKS) {
  const lines = [...clicks, ...keys.map(([, , , shown, words]) => [shown, words])];
  for (const [shown, words] of lines) {
    const [pair, term, description] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = shown;
    description.textContent = words;
    pair.append(term, description);
    list.append(pair);
  }
}
