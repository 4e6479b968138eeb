// @ts-check
/**
 * The one canonical form of JSON: the same bytes from JavaScript and from Python (`nodeflow/core/canonical.py`).
 *
 * A document is what `JSON.stringify(document, null, 2)` prints, and a newline. What another reader would take for
 * something else (a key that occurs twice, an integer that a double cannot hold), and a text with half of a character,
 * which no file can hold, is refused when it is read.
 */

/** @typedef {import("./json.d.ts").JsonValue} JsonValue */

/** JSON text that cannot be read as a document, with the code that Python gives the same fault. */
export class InvalidJson extends Error {
  /**
   * @param {"json.syntax" | "json.number" | "json.duplicate" | "json.text"} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "InvalidJson";
    this.code = code;
  }
}

/**
 * Read JSON text.
 *
 * @param {string} text
 * @returns {JsonValue}
 * @throws {InvalidJson} It is not JSON, has a key twice in one object, a number that is not the same everywhere, or half
 *   of a character.
 */
export function readJson(text) {
  const json = text.startsWith("\ufeff") ? text.slice(1) : text;
  /** @type {JsonValue} */
  let value;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new InvalidJson("json.syntax", error instanceof Error ? error.message : String(error));
  }
  refuseWhatIsAmbiguous(json);
  return value;
}

/**
 * Print a document as it is saved: two spaces of indentation, keys in their order, a newline at the end.
 *
 * @param {JsonValue} value
 * @returns {string}
 */
export function documentText(value) {
  refuseWhatIsNoJson(value);
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * Print a value as it is hashed: keys sorted by code point, no spaces.
 *
 * @param {JsonValue} value
 * @returns {string}
 */
export function recordText(value) {
  refuseWhatIsNoJson(value);
  return sortedText(value);
}

/**
 * @param {JsonValue} value
 * @returns {string}
 */
function sortedText(value) {
  if (Array.isArray(value)) {
    return `[${value.map(sortedText).join(",")}]`;
  }
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).sort(([left], [right]) => byCodePoint(left, right));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${sortedText(member)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/**
 * The order of Python; that of `sort()` goes by UTF-16 and puts the letters beyond U+FFFF before some others.
 *
 * @param {string} left
 * @param {string} right
 * @returns {number}
 */
function byCodePoint(left, right) {
  const [first, second] = [Array.from(left), Array.from(right)];
  const length = Math.min(first.length, second.length);
  for (let place = 0; place < length; place += 1) {
    const difference = codePoint(first[place]) - codePoint(second[place]);
    if (difference !== 0) {
      return difference;
    }
  }
  return first.length - second.length;
}

/**
 * @param {string | undefined} letter
 * @returns {number}
 */
function codePoint(letter) {
  return letter?.codePointAt(0) ?? -1;
}

/**
 * `JSON.stringify` would leave out or change what is no JSON; we say so.
 *
 * @param {unknown} root
 */
function refuseWhatIsNoJson(root) {
  const waiting = [root];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw new InvalidJson("json.number", `${value} is not a finite number`);
    }
    if (value !== null && typeof value === "object") {
      for (const member of Object.values(value)) {
        waiting.push(member);
      }
    } else if (!["number", "string", "boolean", "object"].includes(typeof value)) {
      throw new InvalidJson("json.syntax", `${typeof value} is not JSON`);
    }
  }
}

const HALF = /\p{Surrogate}/u;

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[{}[\],]/gsu;

/**
 * Look at the text itself, because `JSON.parse` keeps the last of two equal keys and rounds what it cannot hold.
 *
 * @param {string} json Text that `JSON.parse` accepts.
 */
function refuseWhatIsAmbiguous(json) {
  /** @type {(Set<string> | null)[]} The keys of every object that is open, null for a list. */
  const open = [];
  let isKey = false;
  for (const [token] of json.matchAll(TOKEN)) {
    const keys = open.at(-1) ?? null;
    switch (token[0]) {
      case "{":
        open.push(new Set());
        isKey = true;
        break;
      case "[":
        open.push(null);
        isKey = false;
        break;
      case "}":
      case "]":
        open.pop();
        isKey = false;
        break;
      case ",":
        isKey = keys !== null;
        break;
      case '"':
        checkText(token);
        if (isKey && keys !== null) {
          rememberKey(keys, JSON.parse(token));
        }
        isKey = false;
        break;
      default:
        checkNumber(token);
    }
  }
}

/**
 * @param {Set<string>} keys
 * @param {string} key
 */
function rememberKey(keys, key) {
  if (keys.has(key)) {
    throw new InvalidJson("json.duplicate", `the key ${JSON.stringify(key)} occurs twice in one object`);
  }
  keys.add(key);
}

/** @param {string} token */
function checkText(token) {
  const half = HALF.exec(token.includes("\\u") ? JSON.parse(token) : token);
  if (half !== null) {
    throw new InvalidJson("json.text", `a text has ${JSON.stringify(half[0])}, half of a character`);
  }
}

/** @param {string} token */
function checkNumber(token) {
  const number = Number(token);
  const isInteger = !/[.eE]/u.test(token);
  // An integer beyond 2^53 - 1 stands for the double that is printed so.
  const isKept = isInteger ? Number.isSafeInteger(number) || String(number) === token : Number.isFinite(number);
  if (!isKept) {
    throw new InvalidJson("json.number", `the number ${token} is not the same everywhere`);
  }
}
