import type { Command } from 'commander';
import { checkLanguage, languages } from '../text/languages.js';
import { filterLines } from './shared/line_filter.js';
import { namedCommand } from './shared/named_command.js';

const langOption = ['--lang <language>', `whose rules: ${languages.join(' or ')}`] as const;

interface TokenizeFlags {
  lang?: string;
  lowercase?: boolean;
  normalize?: boolean;
  protected?: string;
}

/** `rdrop text tokenize|detokenize|normalize|lowercase`: from standard input to standard output, line by line. */
export function textCommand(): Command {
  const command = namedCommand('text');
  command
    .command('tokenize')
    .description('lower-case and normalize if asked to, then tokens separated by spaces')
    .option(...langOption)
    .option('--lowercase', 'lower-case first')
    .option('--normalize', 'then plain quotation marks and dashes')
    .option('--no-escape', 'leave & | < > \' " [ ] as they are instead of writing entities')
    .option('--aggressive', 'split words at hyphens, which become @-@')
    .option('--protected <file>', 'regular expressions of Perl, one a line: what they match stays one token')
    .option('--skip-xml', 'leave lines that are one tag as they are')
    .action(async ({ lang: language, lowercase, normalize, protected: file, ...flags }: TokenizeFlags) => {
      const lang = checkLanguage(language);
      const { parseConfig } = await import('../options/schema/parse.js');
      const { tokenizeSchema } = await import('../options/text.js');
      const { lowercase: lowerCase } = await import('../text/lowercase.js');
      const { normalizePunctuation } = await import('../text/moses/normalizer.js');
      const { readProtectedPatterns } = await import('../text/moses/protected_patterns.js');
      const { mosesTokenize } = await import('../text/moses/tokenizer.js');
      const protectedPatterns = file === undefined ? [] : await readProtectedPatterns(file);
      const options = parseConfig(
        tokenizeSchema,
        { ...flags, protectedPatterns },
        'tokenize',
        'INVALID_ARGUMENT',
      );
      await filterLines((line) => {
        let text = line;
        if (lowercase) text = lowerCase(text);
        if (normalize) text = normalizePunctuation(text, lang);
        return mosesTokenize(text, lang, options);
      });
    });
  command
    .command('detokenize')
    .description('text from tokens')
    .option(...langOption)
    .option('--as <program>', 'moses, or sacremoses, which fairseq takes for its BLEU in training')
    .option('--uppercase', 'the first letter in upper case')
    .action(async ({ lang: language, ...flags }: { lang?: string }) => {
      const lang = checkLanguage(language);
      const { detokenizeSchema } = await import('../options/text.js');
      const { parseConfig } = await import('../options/schema/parse.js');
      const { as, ...options } = parseConfig(detokenizeSchema, flags, 'detokenize', 'INVALID_ARGUMENT');
      if (as === 'sacremoses') {
        const { sacremosesDetokenize } = await import('../text/moses/sacremoses_detokenizer.js');
        await filterLines((line) => sacremosesDetokenize(line, lang));
        return;
      }
      const { mosesDetokenize } = await import('../text/moses/detokenizer.js');
      await filterLines((line) => mosesDetokenize(line, lang, options));
    });
  command
    .command('normalize')
    .description('plain quotation marks and dashes, no space before a colon')
    .option(...langOption)
    .option('--penn', "leave ` and '' as they are")
    .action(async ({ lang: language, ...flags }: { lang?: string }) => {
      const lang = checkLanguage(language);
      const { normalizeSchema } = await import('../options/text.js');
      const { parseConfig } = await import('../options/schema/parse.js');
      const { normalizePunctuation } = await import('../text/moses/normalizer.js');
      const options = parseConfig(normalizeSchema, flags, 'normalize', 'INVALID_ARGUMENT');
      await filterLines((line) => normalizePunctuation(line, lang, options));
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
