/**
 * The same text in memory of its own. What split() and slice() give of 13 characters and more keeps the whole string
 * alive that it was cut from: one rare word of each block would hold a corpus in memory.
 */
export const ownText = (text: string): string =>
  text.length < 13 ? text : Buffer.from(text, 'utf16le').toString('utf16le');
