// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { documentText, InvalidJson, readJson, recordText } from "./canonical.js";

const CASES = JSON.parse(
  readFileSync(new URL("../../../tests/documents/canonical_cases.json", import.meta.url), "utf8"),
);

test("numbers are printed as in Python", () => {
  for (const [text, canonical] of CASES.numbers) {
    if (canonical === null) {
      assert.throws(() => readJson(text), InvalidJson, text);
    } else {
      assert.equal(recordText(readJson(text)), canonical, text);
      assert.equal(documentText(readJson(text)), `${canonical}\n`, text);
    }
  }
});

test("values are printed as in Python", () => {
  for (const { why, text, document, record } of CASES.values) {
    const value = readJson(text);
    assert.equal(documentText(value), document.join("\n") + "\n", why);
    assert.equal(recordText(value), record, why);
    assert.equal(documentText(readJson(documentText(value))), documentText(value), why);
  }
});

test("what is not the same everywhere is refused with the code of Python", () => {
  for (const { why, text, code } of CASES.refused) {
    assert.throws(() => readJson(text), { name: "InvalidJson", code }, why);
  }
});

test("what is no JSON is not printed", () => {
  for (const value of [NaN, Infinity, [undefined], { a: () => 1 }, 1n]) {
    assert.throws(() => documentText(/** @type {any} */ (value)), InvalidJson);
    assert.throws(() => recordText(/** @type {any} */ (value)), InvalidJson);
  }
});
