import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { FILE, frameTypes } from './frame-types.mjs';

test('the types of the frames are those of the server', () => {
  assert.equal(readFileSync(FILE, 'utf8'), frameTypes(), 'run: node tests/js/frame-types.mjs --write');
});
