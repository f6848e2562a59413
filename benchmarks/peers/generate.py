"""Beam search by Hugging Face transformers: FSMTForConditionalGeneration.generate with cached keys and values, on a
directory that `rdrop export huggingface` wrote.

Reads one JSON line of settings {model, sentences, beam, threads, lengthPenalty, maxLenA, maxLenB, minLen, batchSentences},
where a sentence is its token ids with eos at the end, answers {version}, and then each line `run` on standard input with
{seconds, hypotheses}: token ids with eos, one list a sentence, in the order of the sentences. float32.

The search is fairseq's as far as generate has it: a sentence is done with its beam-th hypothesis (early_stopping), the
score is divided by length ** lengthPenalty, nothing writes padding, the longest length forces eos, which keeps its own
log-probability (forced_eos_token_id would give it 0 and so rank hypotheses otherwise). generate counts the start token
into its lengths, so those are one larger here; its longest length is one for a whole batch, so a batch holds sentences
of one longest length alone: with maxLenA other than 0, of one source length. Sentences are sorted by length, so that
batches hold little padding. batchSentences is 32 where it is not given, the fastest of 16, 32, 64 and 128 for the first
256 sentences of Multi30k's test_2016_flickr at 2 threads. FSMT has an attention of its own: there is no sdpa to choose.
"""

import json
import sys
import time

import torch
import transformers

PAD, EOS = 1, 2


def batches_of(sentences, settings, positions):
    """Lists of places with the longest length of each list, longest sentences first."""
    longest = lambda i: min(int(settings["maxLenA"] * len(sentences[i]) + settings["maxLenB"]), positions - 1)
    batches = []
    for i in sorted(range(len(sentences)), key=lambda i: (-len(sentences[i]), i)):
        if not batches or len(batches[-1][0]) == settings.get("batchSentences", 32) or batches[-1][1] != longest(i):
            batches.append(([], longest(i)))
        batches[-1][0].append(i)
    return batches


class EosAtTheEnd(transformers.LogitsProcessor):
    """Nothing but eos may follow the longest length, at what it costs."""

    def __init__(self, longest):
        self.longest = longest

    def __call__(self, input_ids, scores):
        if input_ids.shape[1] <= self.longest:
            return scores
        only = torch.full_like(scores, -torch.inf)
        only[:, EOS] = scores[:, EOS]
        return only


@torch.inference_mode()
def translate(model, sentences, settings):
    hypotheses = [None] * len(sentences)
    for places, longest in batches_of(sentences, settings, model.config.max_position_embeddings):
        width = max(len(sentences[i]) for i in places)
        source = torch.full((len(places), width), PAD)
        for row, i in enumerate(places):
            source[row, : len(sentences[i])] = torch.tensor(sentences[i])
        output = model.generate(
            input_ids=source,
            attention_mask=(source != PAD).long(),
            num_beams=settings["beam"],
            num_return_sequences=1,
            use_cache=True,
            do_sample=False,
            early_stopping=True,
            length_penalty=settings["lengthPenalty"],
            max_length=longest + 2,
            min_length=settings.get("minLen", 1) + 1,
            suppress_tokens=[PAD],
            logits_processor=transformers.LogitsProcessorList([EosAtTheEnd(longest)]),
        )
        for i, row in zip(places, output.tolist()):
            tokens = row[1:]  # without the start token
            hypotheses[i] = tokens[: tokens.index(EOS) + 1]
    return hypotheses


def main():
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = transformers.FSMTForConditionalGeneration.from_pretrained(settings["model"], dtype=torch.float32).eval()
    model.generation_config.forced_eos_token_id = model.config.forced_eos_token_id = None
    version = f"transformers {transformers.__version__}, torch {torch.__version__}"
    print(json.dumps({"version": version}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        hypotheses = translate(model, settings["sentences"], settings)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "hypotheses": hypotheses}), flush=True)


main()
