/** Windows calls UTF-16 "Unicode": its mark shows which it is. */
export const encodingHint = (bytes: Uint8Array) =>
  (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
    ? ', it looks like UTF-16'
    : '';
