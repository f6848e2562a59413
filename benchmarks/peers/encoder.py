"""A BERT classifier: transformers' own BertForSequenceClassification with its scaled_dot_product_attention. B rows, T positions, C
classes.
"""

from torch import nn
from transformers import BertConfig, BertForSequenceClassification

PAD = 1


class Model(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.bert = BertForSequenceClassification(
            BertConfig(
                vocab_size=s["vocabSize"],
                hidden_size=s["embedDim"],
                intermediate_size=s["ffnDim"],
                num_attention_heads=s["heads"],
                num_hidden_layers=s["layers"],
                hidden_act="gelu",
                hidden_dropout_prob=s["dropout"],
                attention_probs_dropout_prob=s["attentionDropout"],
                classifier_dropout=s["headDropout"],
                layer_norm_eps=s["normEpsilon"],
                max_position_embeddings=s["maxPositions"],
                type_vocab_size=2,
                pad_token_id=PAD,
                num_labels=s["outputs"],
                attn_implementation="sdpa",
            )
        )

    def forward(self, tokens):
        """tokens [B,T]; logits [B,C]. Without padding there is no mask, as a data collator leaves it out."""
        mask = None if not (tokens == PAD).any() else (tokens != PAD).long()
        return self.bert(input_ids=tokens, attention_mask=mask).logits

    def read(self, tensors):
        """Takes rdrop's parameters, which have fairseq's names."""
        head = "classification_heads.sentence_classification_head."
        names = {
            "embeddings.word_embeddings.weight": "encoder.embed_tokens.weight",
            "embeddings.token_type_embeddings.weight": "encoder.embed_token_types.weight",
        }
        parts = {
            "attention.self.query": "self_attn.q_proj",
            "attention.self.key": "self_attn.k_proj",
            "attention.self.value": "self_attn.v_proj",
            "attention.output.dense": "self_attn.out_proj",
            "attention.output.LayerNorm": "self_attn_layer_norm",
            "intermediate.dense": "fc1",
            "output.dense": "fc2",
            "output.LayerNorm": "final_layer_norm",
        }
        for name, parameter in self.bert.named_parameters():
            name = name.removeprefix("bert.")
            if name == "embeddings.position_embeddings.weight":  # fairseq's first two rows are of padding
                value = tensors["encoder.embed_positions.weight"][2:]
            elif name in names:
                value = tensors[names[name]]
            else:
                module, kind = name.rsplit(".", 1)
                if module == "embeddings.LayerNorm":
                    ours = "encoder.layernorm_embedding"
                elif module == "pooler.dense":
                    ours = head + "dense"
                elif module == "classifier":
                    ours = head + "out_proj"
                else:
                    _, _, layer, part = module.split(".", 3)
                    ours = f"encoder.layers.{layer}.{parts[part]}"
                value = tensors[f"{ours}.{kind}"]
            parameter.copy_(value)
