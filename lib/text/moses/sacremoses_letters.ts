/**
 * What sacremoses takes for letters: a list of Perl's IsAlpha made with an old Unicode, without anything beyond the basic
 * plane and without the ideographs. Each word is a run of letters in base 36: the distance from the end of the one before,
 * then, behind a hyphen, how many letters follow the first.
 */
const runs = `
  1t-p 7-p 1c b 5 6-m 2-u 2-cp 5-b f-4 8 2 2f 17-4 2-1 3-3 2 7 2-2 2 2-j 2-2a 2-3u 9-4l 2-11 3 8-12 15-d 2 2-1 2-1
  2 9-q 6-2 u-a 6-1j 2-6 f-2t 2-7 5-7 5-2 b-2 3 h-1b e-2s p-w a-1 5 6-n 3-i k-o 20-i 1e-5 7-23 2-f 2-2 5-e e-i 2-7
  3-1 3-l 2-6 2 4-3 4-7 3-1 3-1 2 9 5-1 2-4 d-1 g-2 2-5 5-1 3-l 2-6 2-1 2-1 2-1 5-4 5-1 3-1 5 8-3 2 i-5 c-2 2-8
  2-2 2-l 2-6 2-1 2-4 4-8 2-2 2-1 4 g-3 u-2 2-7 3-1 3-l 2-6 2-1 2-4 4-7 3-1 3-1 a-1 5-1 2-4 e h-1 2-5 4-2 2-3 4-1
  2 2-1 4-1 4-2 4-b 5-4 4-2 2-2 4 7 15-3 2-7 2-2 2-m 2-f 4-7 2-2 2-2 9-1 2-1 7-3 u-2 2-7 2-2 2-m 2-9 2-4 4-7 2-2
  2-2 9-1 8 2-3 e-1 f-2 2-7 2-2 2-14 3-7 2-2 2-2 2 9 9-3 n-5 3-1 2-h 4-n 2-8 2 3-6 9-5 2 2-7 j-1 e-1l 6-6 7 1g-1 2
  3-1 2 3 7-3 2-6 2-2 2 2 3-1 2-c 2-2 3-4 2 7 f-3 x 1s-7 2-z 5-g 7-f 2-z 1w-1i 2 3-4 h-i 3-3 6-o 8 e-1 3-11 2 6
  3-16 2-98 2-3 3-6 2 2-3 3-14 2-3 3-w 2-3 3-6 2 2-3 3-e 2-1k 2-3 3-1u 5 x-f h-2c d-h7 3-g 2-p 6-22 4-a 8-c 2-5
  d-j d-j d-c 2-2 2-1 d-1f 3-i f 5 1w-2f 9-16 6-1x b-u 2-b 5-8 o-t 3-4 c-17 5-p 1j-r 5-1q 3-j 1f 2h-1f 2-e 2-6
  1h-15 3-3 b-17 2-a f-1h o-2 b-z 30-3 2-5 2-1 a-5b 14-d c-7p 3-5 3-11 3-5 3-7 2 2 2 2-u 3-1g 2-6 2 4-2 2-6 4-3
  3-5 5-c 6-2 2-6 39 e h-c 2u 5 3-9 2 4-4 7 2 2 2-3 2-a 3-3 6-4 5 i-14 mm-1f 6b 184-1a 2-1a 2-3o 7-3 4-1 d-11 2 6
  3-1j 8 h-m a-6 2-6 2-6 2-6 2-6 2-6 2-6 2-6 2-v 1c d3 17-4 7 5-2d 7-2 2-2h 2-3 6-14 4-2l i-q 1i-f lq9-wc 1w-19
  3-7g 4-f b-1 l-1a 6-7 4-u 2-28 14-8 3-2u 3-3 2-t 3-1 1y-a 2-2 2-3 2-r p-1f d-1v 1b-5 4 f-w 6-y e-s 4-1e 2-b g
  h-4 2-9 b-4 2-1i a-d j-m 4 4-1s 2 2 p-2 3-f 3-3 c-5 3-5 3-5 a-6 2-6 2-16 2-3 5-1 2j-16 8na-m 5-1c 6x1-6 d-4 6-b
  2-c 2-4 2 2-1 2-1 2-2z y-a2 j-1r 3-1h 15-b 39-4 2-3q 11-p 7-p c-2g 4-5 3-5 3-5 3-2`;

/** The inside of a bracket expression for a regular expression with the flag v. */
export function sacremosesLetters(): string {
  let end = 0;
  let result = '';
  for (const run of runs.trim().split(/\s+/)) {
    const [distance, more] = run.split('-') as [string, string | undefined];
    const first = end + Number.parseInt(distance, 36);
    end = first + Number.parseInt(more ?? '0', 36);
    result += `\\u{${first.toString(16)}}-\\u{${end.toString(16)}}`;
  }
  return result;
}
