// A reporter that tells nothing but the files of tests that fail, one in a line.

export default async function* failed(events) {
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.file) yield `${data.file}\n`;
  }
}
