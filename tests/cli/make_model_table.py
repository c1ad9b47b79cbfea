#!/usr/bin/env python3
"""Writes the table that test_model_table.c holds the reader of configs against.

usage: make_model_table.py > tests/data/models/defaults.jsonl

Needs the wheel of transformers (5.24 was used) and nothing else: configs can be made without PyTorch, and what only
the code of a model knows is read off its text. A line is a decoder class: its default config, and what attention
computes in each kind of layer by the config object's attributes and by the text of its modeling file. That is a second
reading, which shares nothing with the C one. Where the two differed, models and papers were looked at by hand.
"""
import importlib
import json
import math
import pathlib
import pkgutil
import re
import sys

import transformers
import transformers.models

transformers.logging.set_verbosity_error()
MODELS = pathlib.Path(transformers.models.__path__[0])

# Objects that hold the language model of a composite one.
INNER = ("thinker_config", "llm_config", "language_config", "text_config", "decoder", "generator")

# Fields of the base class, of training and of other parts of a model.
NO_MATTER = re.compile(
    r"^(architectures|output_.*|return_dict|dtype|chunk_size_feed_forward|is_encoder_decoder|id2label|label2id|"
    r"problem_type|_name_or_path|.*token_id|use_cache|tie_word_embeddings|initializer_.*|init_.*|transformers_version|"
    r".*dropout.*|hidden_act.*|.*_eps|.*vocab_size.*|intermediate_size.*|.*_pdrop|moe_.*|.*expert.*|mlp_.*|router_.*|"
    r"summary_.*|activation.*|.*encoder_config|depth_decoder_config|codec_config|n_group|topk_group|norm_topk_prob|"
    r"routed_.*|linear_.*|mamba_.*|time_step_m.*|classifier.*|residual_.*|embedding_.*|mtp_mlp.*|swiglu.*|altup.*|"
    r"activation_sparsity_pattern|allow_global_per_layer_attribute_access|ffn_.*|use_mamba.*|hc_.*|vision_config|"
    r"audio_config|perceiver_config)$")

# Classes whose default is no model: a head dim that is odd, or parts only.
BROKEN = {"blt": "three transformers", "pi0": "parts only", "reformer": "hashing", "roformer": "sinusoids",
          "glm4v_moe_text": "32 pairs of 10", "glm4v_text": "64 pairs of 32", "glm_ocr_text": "32 pairs of 16",
          "qwen3_omni_moe_text": "64 pairs of 36",
          "udop": "relative biases by layout",
          "xlstm": "no attention", "xlnet": "two streams", "evolla": "decoder and aligner",
             "idefics": "cross attention",
          "moshi": "two transformers", "prophetnet": "n-grams", "rwkv": "no attention", "mamba": "no attention",
          "mamba2": "no attention", "falcon_mamba": "no attention", "openai-gpt": "GPT-1", "ctrl": "sinusoids",
          "xlm": "both ways", "hrm_text": "stacks", "minicpm3": "scale by its own rope"}

# What the text of a file does not show: which kinds of layers do not rotate (by the branch in forward).
UNROTATED = {"cohere2": "full", "cohere2_moe": "full", "exaone4": "full", "exaone_moe": "full", "kolibri1": "full",
             "afmoe": "full", "flint": "full", "lara_mini": "full", "cohere_compass_text": "full",
             "llama4_text": "full",
             "beam": "full", "jamba": "all", "zamba": "all", "zamba2": "all", "nemotron_h": "all",
             "granitemoehybrid": "all", "inkling_text": "all", "inkling2_text": "all", "inkling2_loop_text": "all",
             "kimi_linear": "all", "glm5_next_text": "all",
             "hunyuan_v1_dense": "all", "hunyuan_v1_moe": "all", "hunyuan_vl_text": "all"}  # norm after rope: outside
INTERLEAVED = re.compile(r"\[(\.\.\.|:, :, :), 0?::2\]|view_as_complex")
HALF_ALL_THE_SAME = {"gpt_oss", "qwen2_5_omni_text"}  # the slice is that of experts, and of an audio tower
SINKS_ALL_THE_SAME = {"inkling2_text", "inkling2_loop_text"}  # a logit of 0, not learned
SOURCES = {"sarvam_mla": "deepseek_v3", "sarvam_moe": "llama"}  # whose code they run
SHAPE = ("num_attention_heads", "num_key_value_heads", "head_dim", "kv_lora_rank", "qk_nope_head_dim")
RECURRENT = ("linear_attention", "conv", "moe", "mlp")


def classes():
    """Config classes by model_type."""
    found = {}
    for module in pkgutil.iter_modules([str(MODELS)]):
        try:
            configuration = importlib.import_module(f"transformers.models.{module.name}.configuration_{module.name}")
        except ImportError:
            continue
        for value in vars(configuration).values():
            if isinstance(value, type) and issubclass(value, transformers.PreTrainedConfig) and value.model_type:
                found.setdefault(value.model_type, (value, module.name))
    return found


def decoders():
    """Model types of the language models of all classes that generate text."""
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    names = set(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) | set(auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    known = classes()
    for name in sorted(names):
        if name not in known:
            continue
        try:
            config = known[name][0]()
        except Exception as problem:  # a class without a valid default
            print(f"{name}: {str(problem)[:80]}", file=sys.stderr)
            continue
        while True:
            inner = [getattr(config, key, None) for key in INNER]
            inner = [value for value in inner if isinstance(value, transformers.PreTrainedConfig)]
            if not inner:
                break
            config = inner[0]
        if config.model_type in known:  # not with the values that the composite has for it
            config_class, module = known[config.model_type]
            config = config_class()
            config.allow_global_per_layer_attribute_access = True
            yield config, module


def source(module, model_type):
    module = SOURCES.get(model_type, module)
    path = MODELS / module / f"modeling_{module}.py"
    return path.read_text() if path.exists() else ""


def kinds(config):
    """The kind of each layer."""
    names = config.to_dict().get("layer_types") or getattr(config, "layer_types", None)
    names = names or getattr(config, "layers_block_type", None)
    layers = getattr(config, "num_hidden_layers", None)
    kind = config.model_type
    if kind == "recurrent_gemma":
        return ["sliding_attention" if "attention" in name and "linear" not in name else "linear_attention"
                for name in names]
    if kind == "gpt_neo":
        return ["sliding_attention" if name == "local" else "full_attention" for name in config.attention_layers]
    if names:
        renamed = {"attention": "full_attention", "mamba": "linear_attention"}
        return [renamed.get(name, name) for name in names]
    if hasattr(config, "decoder_layers") or kind in ("musicgen_decoder", "pix2struct_text_model"):
        layers = getattr(config, "decoder_layers", None) or layers
        return ["full_attention"] * layers + ["cross_attention"] * layers
    if kind == "longcat_flash":
        return ["full_attention"] * (2 * config.num_layers)
    if kind == "falcon_h1":
        return ["hybrid"] * layers
    if kind == "mllama_text_model":
        return ["cross_attention" if i in config.cross_attention_layers else "full_attention" for i in range(layers)]
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return ["sliding_attention" if windowed else "full_attention"] * layers


def scale(config, text, head_dim):
    """Beside head_dim ** -0.5, which is 0 here."""
    if config.model_type == "gpt_neo":
        return 1
    if "yarn_apply_mscale" in text and getattr(config, "kv_lora_rank", None):
        rope = config.rope_parameters or {}
        every = rope.get("mscale_all_dim", 0)
        if rope.get("rope_type", "default") == "default" or not every:
            return 0
        return head_dim ** -0.5 * (0.1 * every * math.log(rope["factor"]) + 1) ** 2
    lines = re.findall(r"self\.(?:scaling|scale) = ([^#\n]*)", text)
    if any("query_pre_attn_scalar" in line for line in lines):
        number = config.query_pre_attn_scalar
        return 0 if number == head_dim else number ** -0.5
    if any("attention_multiplier" in line for line in lines):
        number = config.attention_multiplier
        return 0 if abs(number * head_dim ** 0.5 - 1) < 1e-6 else number
    if any(line.strip() == "1.0 / self.head_dim" for line in lines):
        return 1 / head_dim
    if any("(self.head_dim / 2)" in line for line in lines):
        return (head_dim / 2) ** -0.5
    if any(line.strip() == "1.0" for line in lines) and not any("head_dim**" in line for line in lines):
        return 1
    return 0


def rope(config, kind, i, text, dims):
    where = UNROTATED.get(config.model_type)
    is_full = kind in ("full_attention", "hybrid", "indexed_attention")
    parameters = getattr(config, "rope_parameters", None)
    rotary_dim = getattr(config, "rotary_dim", None)
    if where == "all" or (where == "full" and is_full) or kind == "cross_attention":
        return None
    if not parameters and not rotary_dim:
        return None
    parameters = parameters or {}
    for key in (kind, "compress" if "compressed" in kind else "main"):
        if key in parameters:
            parameters = parameters[key]
            break
    by_layer = getattr(config, "layer_rope_theta", None)
    theta = by_layer[i] if by_layer else (parameters or {}).get("rope_theta", 10000)
    listed = getattr(config, "no_rope_layers", None)
    if parameters is None or theta == 0 or (listed and not listed[i]):
        return None
    factor = parameters.get("partial_rotary_factor", 1)
    if getattr(config, "kv_lora_rank", None):
        dims, factor = config.qk_rope_head_dim, 1
    is_interleaved = INTERLEAVED.search(text) and config.model_type not in HALF_ALL_THE_SAME
    kind_of_scaling = parameters.get("rope_type", "default")
    if config.model_type == "mistral_large4_text":  # times learned factors
        kind_of_scaling = "learned"
    turned = dims if kind_of_scaling == "proportional" else rotary_dim or int(dims * factor)
    return ["interleaved" if is_interleaved else "half", turned, theta, kind_of_scaling]


def has_sinks(config, text):
    return bool(re.search(r"self\.sinks\b", text)) or config.model_type in SINKS_ALL_THE_SAME


def layer(config, kind, i, text):
    """What one layer computes; None when it has no attention."""
    if kind in RECURRENT:
        return {"kind": kind}
    overrides = config.to_dict().get("per_layer_config") or {}
    overrides = next((value for key, value in overrides.items() if int(key) == i), {})
    shape = {key: overrides.get(key, getattr(config, key, None)) for key in SHAPE}
    is_local = kind in ("sliding_attention", "hybrid_sliding")
    heads = getattr(config, "decoder_attention_heads", None) or shape["num_attention_heads"]
    shape["num_attention_heads"] = heads
    is_encoder = getattr(config, "is_decoder", True) is False and "create_bidirectional_mask" in text
    is_encoder = is_encoder and not hasattr(config, "decoder_layers") and "musicgen" not in config.model_type
    if getattr(config, "num_attention_heads_per_layer", None):
        heads = config.num_attention_heads_per_layer[i]
    if is_local and getattr(config, "swa_num_attention_heads", None):
        heads, shape["num_key_value_heads"] = config.swa_num_attention_heads, config.swa_num_key_value_heads
    kv_heads = shape["num_key_value_heads"] or heads
    if config.model_type == "mimo_v2_flash" and is_local:
        kv_heads *= 2
    if config.model_type in ("falcon", "gpt_bigcode") and config.multi_query:
        kv_heads = 1
    if config.model_type == "dbrx":
        kv_heads = config.attn_config.kv_n_heads
    head_dim = shape["head_dim"]
    for name in ("attention_head_dim", "kv_channels", "d_kv", "dim_head"):
        head_dim = head_dim or getattr(config, name, None)
    head_dim = head_dim or config.hidden_size // shape["num_attention_heads"]
    v_dim = getattr(config, "v_head_dim", None) or head_dim
    result = {"kind": kind}
    if shape["kv_lora_rank"]:
        result["latent"] = shape["kv_lora_rank"]
        head_dim = shape["qk_nope_head_dim"] + config.qk_rope_head_dim
        kv_heads = heads
    window = getattr(config, "sliding_window", None) or getattr(config, "window_size", None)
    is_local = is_local or "compressed" in kind
    result.update(heads=[heads, kv_heads, head_dim, v_dim], window=window if is_local and window else 0,
                  chunk=config.attention_chunk_size if kind == "chunked_attention" else 0,
                  softcap=getattr(config, "attn_logit_softcapping", None) or 0,
                  sinks=has_sinks(config, text) and (config.model_type != "mimo_v2_flash" or is_local),
                  scale=float(f"{scale(config, text, head_dim):.9g}"), rope=rope(config, kind, i, text, head_dim))
    if kind == "sliding_attention" and not result["window"]:
        result["kind"] = "full_attention"
    shared = getattr(config, "num_kv_shared_layers", 0) or 0
    result["mask"] = "all_keys" if is_encoder or kind == "cross_attention" else "causal"
    result["shares_kv"] = shared > 0 and i >= config.num_hidden_layers - shared
    return result


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def main():
    done = set(BROKEN)
    for config, module in decoders():
        if config.model_type in done:
            continue
        done.add(config.model_type)
        text = source(module, config.model_type)
        if not text:
            print(f"{config.model_type}: no code", file=sys.stderr)
        found = []
        for i, kind in enumerate(kinds(config)):
            description = layer(config, kind, i, text)
            equal = [entry for entry in found if entry[0] == description]
            if equal:
                equal[0][1] += 1
            else:
                found.append([description, 1])
        fields = {key: plain(value) for key, value in config.to_dict().items() if not NO_MATTER.match(key)}
        print(json.dumps({"model_type": config.model_type, "config": fields,
                          "kinds": [dict(description, count=count) for description, count in found]},
                         separators=(",", ":"), sort_keys=True))


main()
