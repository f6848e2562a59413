// Training on a prepared directory, then translation. Node 22.18 and later run TypeScript as it is:
// node examples/train.ts <prepared directory> <run directory>
import { Trainer, Translator } from 'rdrop';

const [data = 'data', runDirectory = 'runs/example'] = process.argv.slice(2);

const trainer = await Trainer.create({
  preset: 'tiny',
  data,
  runDirectory,
  seed: 63,
  maxUpdates: 200,
  loss: { direction: 'uni', alpha: 5 },
});
for await (const event of trainer.fit()) {
  if (event.type === 'train')
    console.log(`update ${event.update}: loss ${event.loss.toFixed(3)}, KL ${event.kl.toFixed(3)}`);
  if (event.type === 'validation')
    console.log(`update ${event.update}: valid BLEU ${event.bleu?.toFixed(2)}`);
  if (event.type === 'end') console.log('test BLEU', event.result?.testBleu?.score.toFixed(2));
}
trainer.dispose();

const translator = await Translator.load(runDirectory);
const [translation] = await translator.translate(['Der Hund schläft.'], { beam: 5 });
console.log(translation?.text);
translator.dispose();
