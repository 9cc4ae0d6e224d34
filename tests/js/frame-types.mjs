// TypeScript for the frames, from the server's own AsyncAPI document: `node tests/js/frame-types.mjs --write` after a
// frame was changed; a test holds the file against the document.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { BINARY } from './support.mjs';

export const FILE = new URL('../../static/js/waybill-frames.d.ts', import.meta.url);

export function frameTypes() {
  const document = JSON.parse(execFileSync(BINARY, ['asyncapi'], { env: {}, maxBuffer: 1e8 }));
  const { schemas, messages } = document.components;
  const lines = [
    '// Made by tests/js/frame-types.mjs from the AsyncAPI document of the server. Do not edit.',
    '',
    ...Object.entries(schemas).flatMap(([name, schema]) => [
      ...note(schema.description, ''), `export type ${name} = ${type(schema)};`, '',
    ]),
  ];
  for (const [side, map] of [['server', 'ServerFrames'], ['client', 'ClientFrames']]) {
    const what = side === 'server' ? 'What the server sends' : 'What a client sends';
    lines.push(`/** ${what}, by \`type\`. */`, `export interface ${map} {`);
    for (const [key, { payload, summary }] of Object.entries(messages)) {
      const [from, name] = key.split('.');
      // The one of other back ends has any type.
      if (from !== side || name === 'published') continue;
      lines.push(...note(summary, '  '), `  ${name}: ${type(payload)};`);
    }
    lines.push('}', '');
  }
  lines.push(...note(messages['server.published'].summary, ''));
  lines.push(`export type PublishedFrame = ${type(messages['server.published'].payload)};`, '');
  return lines.join('\n');
}

function note(text, indent) {
  // Names in the code of the server are none here.
  return text ? [`${indent}/** ${text.replace(/\[`(\w+)`\]/g, '`$1`').replace(/\s+/g, ' ')} */`] : [];
}

function type(schema) {
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if (schema.allOf) return schema.allOf.map((one) => grouped(type(one))).join(' & ');
  const choice = schema.oneOf ?? schema.anyOf;
  if (choice) return choice.map(type).join(' | ');
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one).replaceAll('"', "'")).join(' | ');
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one })).join(' | ');
  switch (schema.type) {
    case 'array': return `${grouped(type(schema.items))}[]`;
    case 'object': return object(schema);
    case 'integer': return 'number';
    case undefined: return 'unknown';
    default: return schema.type;
  }
}

function grouped(text) {
  return text.includes(' | ') && !text.startsWith('{') ? `(${text})` : text;
}

function object({ properties, additionalProperties: more, required = [] }) {
  if (!properties) return `Record<string, ${typeof more === 'object' ? type(more) : 'unknown'}>`;
  const members = Object.entries(properties).map(([name, schema]) => (
    `${name}${required.includes(name) ? '' : '?'}: ${type(schema)}`
  ));
  return `{ ${members.join('; ')} }`;
}

if (process.argv.includes('--write')) writeFileSync(FILE, frameTypes());
