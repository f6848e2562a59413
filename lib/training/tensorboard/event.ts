/**
 * TensorBoard's event files: TFRecords (tensorflow/core/lib/io/record_writer.h) of Event messages (tensorflow/core/util/event.proto),
 * as far as scalars need them. Numbers are little-endian.
 */
import { maskedCrc32c } from './crc32c.js';

/** What an event file holds. */
export type TensorboardEvent =
  | { kind: 'version' }
  /** From here on `step` is the next one: a reader forgets what it has read of this step and later ones. */
  | { kind: 'start'; step: number }
  | { kind: 'scalars'; step: number; scalars: readonly (readonly [tag: string, value: number])[] };

/** A base-128 varint; of whole numbers from 0 to 2^53. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  bytes.push(left);
  return bytes;
}

type Bytes = ArrayLike<number>;
const joined = (...parts: Bytes[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Fields of a protobuf message: a number (wire type 0), 8 or 4 bytes (1, 5), or a length and so many bytes (2). */
const whole = (field: number, value: number) => [field * 8, ...varint(value)];
const ofBytes = (field: number, bytes: Bytes) => joined([field * 8 + 2, ...varint(bytes.length)], bytes);
const text = (field: number, value: string) => ofBytes(field, new TextEncoder().encode(value));
function double(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = field * 8 + 1;
  new DataView(bytes.buffer).setFloat64(1, value, true);
  return bytes;
}
function float(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = field * 8 + 5;
  new DataView(bytes.buffer).setFloat32(1, value, true);
  return bytes;
}

/** An Event: wall_time 1, step 2, file_version 3, summary 5 (value 1: tag 1, simple_value 2), session_log 7 (status 1: START 1). */
function message(event: TensorboardEvent, wallTime: number): Uint8Array {
  const head = [double(1, wallTime), event.kind === 'version' ? [] : whole(2, event.step)];
  switch (event.kind) {
    case 'version':
      return joined(...head, text(3, 'brain.Event:2'));
    case 'start':
      return joined(...head, ofBytes(7, whole(1, 1)));
    case 'scalars': {
      const values = event.scalars.map(([tag, value]) => ofBytes(1, joined(text(1, tag), float(2, value))));
      return joined(...head, ofBytes(5, joined(...values)));
    }
  }
}

/**
 * An event as a record: its length in 8 bytes, their checksum, the message, its checksum.
 *
 * @param wallTime in seconds since 1970
 */
export function eventRecord(event: TensorboardEvent, wallTime: number): Uint8Array {
  const body = message(event, wallTime);
  const record = new Uint8Array(12 + body.length + 4);
  const view = new DataView(record.buffer);
  view.setUint32(0, body.length, true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(body, 12);
  view.setUint32(12 + body.length, maskedCrc32c(body), true);
  return record;
}
