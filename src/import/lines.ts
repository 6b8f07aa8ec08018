/** A line of a file. */
export interface Line {
  /** Counted from 1; blank lines count too. */
  number: number;
  /** Without its end; undefined if it is longer than {@link maxLineBytes}. */
  content: Buffer | undefined;
  /** How much of the file it takes, its end included. */
  bytes: number;
}

/** The longest line that is read, without its end: 1 MiB. */
export const maxLineBytes = 1024 * 1024;

const newline = 0x0a;

/** Splits a stream into lines that end with LF; memory is bounded, for a line that is too long is not kept. */
export async function* readLines(stream: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let number = 0;
  let started: Buffer[] = [];
  let startedBytes = 0;
  const finish = (end: Buffer, endBytes: number): Line => {
    const isKept = startedBytes + end.length <= maxLineBytes;
    const content = startedBytes === 0 ? end : Buffer.concat([...started, end]);
    const line = {
      number: ++number,
      content: isKept ? content : undefined,
      bytes: startedBytes + end.length + endBytes,
    };
    started = [];
    startedBytes = 0;
    return line;
  };
  for await (const chunk of stream) {
    let from = 0;
    let to = chunk.indexOf(newline);
    while (to !== -1) {
      yield finish(chunk.subarray(from, to), 1);
      from = to + 1;
      to = chunk.indexOf(newline, from);
    }
    startedBytes += chunk.length - from;
    if (startedBytes > maxLineBytes) started = [];
    else if (from < chunk.length) started.push(chunk.subarray(from));
  }
  if (startedBytes > 0) yield finish(Buffer.alloc(0), 0);
}
