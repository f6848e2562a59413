import { Command } from 'commander';
import { checkLanguage, languages } from '../text/languages.js';
import { filterLines } from './line_filter.js';

interface Steps {
  lang?: string;
  lowercase?: boolean;
  normalize?: boolean;
  escape?: boolean;
}

const langOption = ['--lang <language>', `whose rules: ${languages.join(' or ')}`] as const;

/** `rdrop text tokenize|detokenize|normalize|lowercase`: from standard input to standard output, line by line. */
export function textCommand(): Command {
  const command = new Command('text').description(
    'prepare text as Moses does, from standard input to standard output',
  );
  command
    .command('tokenize')
    .description('lower-case and normalize if asked to, then tokens separated by spaces')
    .option(...langOption)
    .option('--lowercase', 'lower-case first')
    .option('--normalize', 'then plain quotation marks and dashes')
    .option('--no-escape', 'leave & | < > \' " [ ] as they are instead of writing entities')
    .action(async (steps: Steps) => {
      const lang = checkLanguage(steps.lang);
      const { lowercase } = await import('../text/lowercase.js');
      const { normalisePunctuation } = await import('../text/normalise.js');
      const { mosesTokenise } = await import('../text/tokenise.js');
      await filterLines((line) => {
        let text = line;
        if (steps.lowercase) text = lowercase(text);
        if (steps.normalize) text = normalisePunctuation(text, lang);
        return mosesTokenise(text, lang, { escape: steps.escape !== false });
      });
    });
  command
    .command('detokenize')
    .description('text from tokens')
    .option(...langOption)
    .action(async (steps: Steps) => {
      const lang = checkLanguage(steps.lang);
      const { mosesDetokenise } = await import('../text/detokenise.js');
      await filterLines((line) => mosesDetokenise(line, lang));
    });
  command
    .command('normalize')
    .description('plain quotation marks and dashes, no space before a colon')
    .option(...langOption)
    .action(async (steps: Steps) => {
      const lang = checkLanguage(steps.lang);
      const { normalisePunctuation } = await import('../text/normalise.js');
      await filterLines((line) => normalisePunctuation(line, lang));
    });
  command
    .command('lowercase')
    .description('lower case')
    .action(async () => {
      const { lowercase } = await import('../text/lowercase.js');
      await filterLines(lowercase);
    });
  return command;
}
