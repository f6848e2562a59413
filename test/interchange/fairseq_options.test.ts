// Options of fairseq against the configuration of a model.
import { describe, expect, it } from 'vitest';
import { fairseqOptionsOf, modelOf } from '../../lib/interchange/fairseq/options.js';
import { fieldsOf, type PickleValue } from '../../lib/interchange/torch_file/pickle_values.js';
import { type ModelOptions, modelSchema } from '../../lib/options/index.js';

describe('options', () => {
  const base = modelSchema.parse({ vocabSize: 9, embedDim: 8, ffnDim: 12, heads: 2 });
  const options = (changes: Record<string, PickleValue> = {}) =>
    new Map([
      ...fieldsOf(fairseqOptionsOf(base, { source: 'de', target: 'en' }))!,
      ...Object.entries(changes),
    ]);

  it.each<Partial<ModelOptions>>([
    {},
    { norm: 'pre', activation: 'gelu', shareEmbeddings: 'none', maxPositions: 77 },
    {
      shareEmbeddings: 'decoder',
      dropout: 0.1,
      attentionDropout: 0.2,
      activationDropout: 0.25,
      decoderLayers: 3,
    },
  ])('of %j come back', (changes) => {
    const model = modelSchema.parse({ ...base, ...changes });
    expect(
      modelOf(
        fieldsOf(fairseqOptionsOf(model, { source: 'de', target: 'en' }))!,
        { source: 9, target: 9 },
        'x.pt',
      ),
    ).toEqual(model);
  });

  it('older names and missing ones', () => {
    const old = options({ relu_dropout: 0.4, activation_dropout: 0, encoder_layerdrop: null });
    for (const name of ['max_target_positions', 'activation_fn', 'share_all_embeddings', 'decoder_embed_dim'])
      old.delete(name);
    expect(modelOf(old, { source: 9, target: 9 }, 'x.pt')).toMatchObject({
      activationDropout: 0.4,
      shareEmbeddings: 'decoder',
      activation: 'relu',
    });
  });

  it.each<[string, PickleValue, string]>([
    ['encoder_learned_pos', true, 'expected False, got True'],
    ['decoder_learned_pos', true, 'expected False, got True'],
    ['layernorm_embedding', true, 'expected False, got True'],
    ['cross_self_attention', true, 'expected False, got True'],
    ['no_cross_attention', true, 'expected False, got True'],
    ['adaptive_softmax_cutoff', '50000,200000', 'expected None, got "50000,200000"'],
    ['no_scale_embedding', true, 'expected False, got True'],
    ['no_token_positional_embeddings', true, 'expected False, got True'],
    ['quant_noise_pq', 0.1, 'expected 0, got 0.1'],
    ['encoder_layerdrop', 0.2, 'expected 0, got 0.2'],
    ['decoder_layers_to_keep', '0,2', 'expected None, got "0,2"'],
    ['base_layers', 1, 'expected 0, got 1'],
    ['activation_fn', 'gelu_accurate', 'expected "relu" or "gelu", got "gelu_accurate"'],
    ['decoder_embed_dim', 16, 'expected the value of encoder_embed_dim, 8, got 16'],
    ['decoder_ffn_embed_dim', 16, 'expected the value of encoder_ffn_embed_dim, 12, got 16'],
    ['decoder_attention_heads', 4, 'expected the value of encoder_attention_heads, 2, got 4'],
    ['decoder_normalize_before', true, 'expected the value of encoder_normalize_before, False, got True'],
    ['decoder_output_dim', 4, 'expected the value of encoder_embed_dim, 8, got 4'],
    ['arch', 'lstm', 'expected an encoder-decoder of the kind "transformer", got "lstm"'],
    [
      'arch',
      'transformer_lm_big',
      'expected an encoder-decoder of the kind "transformer", got "transformer_lm_big"',
    ],
  ])('%s of another value is refused by name', (name, value, message) => {
    expect(() => modelOf(options({ [name]: value }), { source: 9, target: 9 }, 'x.pt')).toThrow(
      expect.objectContaining({ code: 'NOT_EXPRESSIBLE', message: `x.pt: option ${name}: ${message}` }),
    );
  });

  it('one that is missing, and one out of range', () => {
    const without = options();
    without.delete('encoder_layers');
    expect(() => modelOf(without, { source: 9, target: 9 }, 'x.pt')).toThrow(
      /x\.pt: option encoder_layers: expected a number, got nothing/,
    );
    expect(() => modelOf(options({ encoder_layers: 0 }), { source: 9, target: 9 }, 'x.pt')).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(/encoderLayers/) }),
    );
  });
});
