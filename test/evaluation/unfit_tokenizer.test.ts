import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unfitTokenizer } from '../../lib/evaluation/unfit_tokenizer.js';
import { packageRoot } from '../../lib/native/binding.js';

const languageOf = (references: string[] | (string | null)[][], tokenize = '13a') =>
  /(Chinese|Japanese|Korean|Thai|Lao|Khmer|Burmese)/.exec(
    unfitTokenizer(references, { tokenize, instead: '' })?.message ?? '',
  )?.[1] ?? null;

describe('a language whose words no spaces part', () => {
  it.each([
    ['Chinese', ['猫坐在垫子上。', '我喜欢吃苹果，你呢？']],
    ['Chinese', ['貓坐在墊子上。']],
    ['Japanese', ['猫がマットの上に座っています。']],
    ['Korean', ['고양이가 매트 위에 앉아 있습니다.']],
    ['Thai', ['แมวนั่งอยู่บนเสื่อและมองออกไปนอกหน้าต่าง']],
    ['Lao', ['ແມວນັ່ງຢູ່ເທິງເສື່ອແລະເບິ່ງອອກໄປນອກປ່ອງຢ້ຽມ']],
    ['Khmer', ['ឆ្មាអង្គុយលើកម្រាលព្រំហើយមើលទៅក្រៅបង្អួច']],
    ['Burmese', ['ကြောင်သည်ဖျာပေါ်တွင်ထိုင်နေသည်']],
  ])('%s is known by its text, with every tokenizer that needs spaces', (language, text) => {
    for (const tokenize of ['13a', 'intl', 'none']) expect(languageOf(text, tokenize)).toBe(language);
    expect(languageOf(text, 'char')).toBeNull();
    expect(languageOf([text, text.map(() => null)])).toBe(language);
  });

  it.each([
    ['English', ['The cat sat on the mat.']],
    ['a long German word', ['Donaudampfschifffahrtsgesellschaftskapitän']],
    ['Russian', ['Кошка сидит на коврике']],
    ['Arabic', ['القطة تجلس على السجادة']],
    ['Hindi', ['बिल्ली चटाई पर बैठी है']],
    ['Chinese cut into words', ['猫 坐 在 垫子 上 。', '我 喜欢 吃 苹果 ， 你 呢 ？']],
    ['Japanese cut into words', ['猫 が マット の 上 に 座っ て い ます 。']],
    ['Korean cut into morphemes', ['고양이 가 매트 위 에 앉 아 있 습니다 .']],
    ['Thai cut into words', ['แมว นั่ง อยู่ บน เสื่อ และ มอง ออก ไป นอก หน้าต่าง']],
    ['a foreign word', ['Das Zeichen 猫猫猫 heißt auf Deutsch Katze, und damit genug davon']],
    ['nothing', ['', '']],
    ['numbers', ['1 2 3']],
  ])('is not %s', (_, text) => expect(languageOf(text)).toBeNull());
});

describe('rdrop score', () => {
  it('warns on standard error and names --tokenize; the score is as it was', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rdrop-unfit-'));
    try {
      const file = join(directory, 'zh');
      await writeFile(file, '猫坐在垫子上。\n我喜欢吃苹果，你呢？\n');
      const score = (...flags: string[]) =>
        spawnSync(
          process.execPath,
          [join(packageRoot, 'dist/cli/main.js'), 'score', '--hyp', file, '--ref', file, '--json', ...flags],
          { encoding: 'utf8' },
        );
      const plain = score();
      expect(plain.stderr.match(/^rdrop: warning: .*13a.*Chinese.*--tokenize char/gm)).toHaveLength(1);
      expect(plain.status).toBe(0);
      expect(JSON.parse(plain.stdout).signature).toContain('tok:13a');
      expect(score('--tokenize', 'char').stderr).toBe('');
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
