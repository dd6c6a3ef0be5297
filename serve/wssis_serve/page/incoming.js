// Images on their way into the page: chosen, dropped or pasted.

const element = (id) => document.getElementById(id);

export function listenForFiles(addFiles) {
  for (const id of ["choose", "choose-first"]) element(id).onclick = () => element("files").click();
  element("files").onchange = ({ target }) => {
    addFiles([...target.files]);
    target.value = ""; // the same file may be chosen again
  };
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    addFiles([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => addFiles([...event.clipboardData.files]));
}

export function isSame(one, other) {
  return ["name", "size", "lastModified"].every((key) => one[key] === other[key]);
}

// A name that none of the images has: pasted ones all have the same.
export function freeName(name, images) {
  const taken = new Set(images.map((image) => image.name));
  const [, stem, ending] = /^(.*?)(\.[^.]*)?$/.exec(name);
  let free = name;
  for (let i = 2; taken.has(free); i++) free = `${stem} (${i})${ending ?? ""}`;
  return free;
}

// Words for a file that is no image to the browser.
export function unreadable(file) {
  const advice = file.type.startsWith("image/") ? " Save it as PNG." : "";
  return `${file.name}: this browser cannot read it as an image.${advice}`;
}

// Save bytes or text as a file of the person.
export function saveAs(name, parts, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
