// A form for a workflow, made of the JSON Schema of its inputs.

import { make } from "./dom.js";

// Each field is an element and a function that gives its value: undefined leaves the input as the workflow has it.
export function fieldsOf(inputs, schema) {
  return inputs.map((input) => {
    const told = schema.properties[input.name] || {};
    const made = controlOf(input, plain(told));
    const help = input.help ? make("span", { class: "help" }, input.help) : null;
    const tag = made.label === false ? "div" : "label";
    const element = make(tag, { class: made.wide ? "field wide" : "field" }, make("span", { class: "name" }, input.title), made.element, help);
    return { name: input.name, element, read: made.read };
  });
}

// What is accepted besides null.
function plain(schema) {
  const members = (schema.anyOf || []).filter((member) => member.type !== "null");
  return members.length === 1 ? { ...schema, ...members[0] } : schema.allOf ? Object.assign({}, schema, ...schema.allOf) : schema;
}

function controlOf(input, schema) {
  if (schema["x-widget"] === "image_file") return picture(input);
  if (schema.enum) return choice(input, schema.enum);
  if (schema.type === "boolean") return tick(input);
  if (schema.type === "integer" || schema.type === "number") return number(input, schema);
  if (schema.type === "string") return text(input, schema);
  return json(input);
}

function text(input, schema) {
  const lines = input.lines || (input.widget === "text" ? 3 : 0);
  const value = typeof input.value === "string" ? input.value : "";
  const limits = schema.maxLength ? { maxLength: schema.maxLength } : {};
  const element = lines ? make("textarea", { rows: Math.min(lines, 2), value, ...limits }) : make("input", { type: "text", value, ...limits });
  return { element, wide: lines > 0, read: () => element.value };
}

function number(input, schema) {
  const element = make("input", { type: "number", required: input.required, inputMode: "decimal" });
  const bounds = { min: schema.minimum ?? schema.exclusiveMinimum, max: schema.maximum ?? schema.exclusiveMaximum };
  for (const [name, bound] of Object.entries(bounds)) {
    if (bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER) element[name] = bound;
  }
  element.step = schema.multipleOf ?? (schema.type === "integer" ? 1 : "any");
  if (typeof input.value === "number") element.value = input.value;
  const read = () => (element.value === "" ? undefined : Number(element.value));
  if (input.widget !== "seed") return { element, read };
  const dice = make("button", { type: "button", title: "Another seed" }, "⚂");
  dice.addEventListener("click", () => { element.value = crypto.getRandomValues(new Uint32Array(1))[0]; });
  return { element: make("span", { class: "beside" }, element, dice), read };
}

function choice(input, choices) {
  const element = make("select", {}, ...choices.map((each) => make("option", {}, String(each))));
  element.selectedIndex = Math.max(0, choices.indexOf(input.value));
  return { element, read: () => choices[element.selectedIndex] };
}

function tick(input) {
  const element = make("input", { type: "checkbox", checked: input.value === true });
  return { element, read: () => element.checked };
}

function picture(input) {
  const file = make("input", { type: "file", accept: "image/png,image/jpeg,image/webp", "aria-label": input.title });
  const words = make("span", {}, "Drop a picture here, or choose one");
  const drop = make("div", { class: "drop" }, words, file);
  const seen = () => {
    drop.querySelector("img")?.remove();
    if (!file.files.length) return;
    words.textContent = "";
    drop.prepend(make("img", { src: URL.createObjectURL(file.files[0]), alt: file.files[0].name }));
  };
  file.addEventListener("change", seen);
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, () => drop.classList.add("over"));
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  return { element: drop, wide: true, label: false, read: () => file.files[0] };
}

function json(input) {
  const value = input.value === null || input.value === undefined ? "" : JSON.stringify(input.value, null, 1);
  const element = make("textarea", { rows: 5, value, spellcheck: false });
  const read = () => (element.value.trim() === "" ? undefined : JSON.parse(element.value));
  return { element, wide: true, read };
}
