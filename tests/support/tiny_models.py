"""Tiny chat models on disk, for a real model server: ``tiny_models.py KIND FOLDER [NAME ARGUMENTS]``.

``babble``: a randomly initialised Llama over bytes that writes printable ASCII for ever. ``caller``: a
Llama with hand-set weights that calls one tool when tools are offered and no result has come yet, and
then answers. Runs in a process of its own, as it needs torch and transformers.
"""

import json
import sys
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIALS = ["<pad>", "<eos>", "<|start|>", "<|end|>"]
TEMPLATE = """{%- if tools %}<|tools|>
{% for t in tools %}{{ t | tojson }}
{% endfor %}<|end|>{% endif %}
{%- for m in messages %}{{ '<|tool|>' if m.role == 'tool' else '<|start|>' + m.role }}
{% if m.content is string %}{{ m.content }}
{%- elif m.content %}{% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %}{% endif %}
{%- for c in m.tool_calls or [] %}
<call>{{ c.function | tojson }}</call>{% endfor %}<|end|>
{%- endfor %}
{%- if add_generation_prompt %}<|start|>assistant
{% endif %}"""
CALL_FORMAT = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|start|>assistant\n",
    "fields": {
        "tool_calls": {
            "open": "<call>",
            "close": "</call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": "<eos>", "content": "text"},
    },
}
ANSWER = "The tool has answered."


def byte_tokenizer() -> Any:
    """Return a tokenizer with one token for each byte and a chat template."""
    vocab = {s: i for i, s in enumerate(SPECIALS + sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        additional_special_tokens=SPECIALS[2:],
        model_max_length=1 << 17,
    )
    fast.chat_template = TEMPLATE
    return fast


def make_babble(folder: str) -> None:
    """Save a model that babbles; it never ends a turn by itself."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        initializer_range=0.5,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    printable = set(tokenizer.convert_tokens_to_ids([chr(c) for c in range(33, 127)]))
    generation = model.generation_config
    # Without do_sample in the saved configuration the server ignores a request's temperature.
    generation.do_sample, generation.temperature, generation.top_k = True, 1.0, 0
    generation.suppress_tokens = [i for i in range(len(tokenizer)) if i not in printable]
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


@torch.no_grad()
def make_caller(folder: str, name: str, arguments: str) -> None:
    """Save a model that calls one tool and then answers, each in one token.

    The residual stream has named dimensions: 0 constant, 1 "tools are offered", 2 "this is a tool
    result", 3 "this is a reply". Two attention heads copy 1 and 2 from where they are into 4 and 5.
    """
    tokenizer = byte_tokenizer()
    call = "<call>" + json.dumps({"name": name, "arguments": json.loads(arguments)}) + "</call>"
    added = ["<|tools|>", "<|tool|>", call, ANSWER]
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in added])
    tools, result, say_call, say_answer = tokenizer.convert_tokens_to_ids(added)
    tokenizer.response_template = CALL_FORMAT
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1 << 17,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1e20},
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    for key, parameter in model.named_parameters():
        parameter.fill_(1.0 if "norm" in key else 0.0)
    embed, attention = model.model.embed_tokens.weight, model.model.layers[0].self_attn
    embed[:, 0], embed[tools, 1], embed[result, 2] = 1, 1, 1
    embed[[say_call, say_answer], 3] = 1
    for head in (0, 1):
        # With this rope_theta dimensions 1 and 3 of a head hardly rotate: position does not matter.
        attention.q_proj.weight[4 * head + 1, 0] = 5
        attention.k_proj.weight[4 * head + 1, 1 + head] = 5
        attention.v_proj.weight[4 * head, 1 + head] = 1
        attention.o_proj.weight[4 + head, 4 * head] = 1
    logits = model.lm_head.weight
    logits[say_answer, 0], logits[say_call, 4], logits[say_call, 5], logits[1, 3] = 30, 30, -60, 300
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


if __name__ == "__main__":
    {"babble": make_babble, "caller": make_caller}[sys.argv[1]](*sys.argv[2:])
