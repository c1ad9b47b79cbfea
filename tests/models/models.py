"""Small models of transformers with the heads, dims, windows, chunks and caps of real ones, and random weights."""

import math

import torch
import transformers

LAYERS = 4
COMMON = {"vocab_size": 1024, "intermediate_size": 1024, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

# What differs in size: reach is the window or chunk of the model, None: the real one; tokens those of a prompt that has
# none. A prompt is a quarter longer than the reach.
SIZES = {
    "full": {"reach": None, "tokens": 1536, "decode": 4, "layers": LAYERS},
    "quick": {"reach": 256, "tokens": 512, "decode": 2, "layers": LAYERS},
    "tiny": {"reach": 16, "tokens": 40, "decode": 2, "layers": 2},
}


class Model:
    """deviation: of the logits of the attention, where it is another than 2."""

    def __init__(self, name, config, reach=None, deviation=2.0, **fields):
        self.name = name
        self.config_name = config
        self.reach = reach
        self.deviation = deviation
        self.fields = fields

    def reach_of(self, size):
        most = SIZES[size]["reach"]
        return self.reach if most is None or self.reach is None else min(self.reach, most)

    def prompt_of(self, size):
        tokens = SIZES[size]["tokens"]
        return max(tokens, self.reach_of(size) * 5 // 4) if self.reach else tokens

    def config(self, size):
        fields = {**COMMON, "num_hidden_layers": SIZES[size]["layers"], **self.fields}
        kinds = fields.pop("kinds", None)
        if kinds:
            fields["layer_types"] = [f"{kinds[i % len(kinds)]}_attention" for i in range(fields["num_hidden_layers"])]
        reach_field = fields.pop("reach_field", None)
        if reach_field:
            fields[reach_field] = self.reach_of(size)
        if "no_rope_layers" in fields:
            fields["no_rope_layers"] = [int(kind == "chunked_attention") for kind in fields["layer_types"]]
        return getattr(transformers, self.config_name)(**fields)


def heads(query_heads, kv_heads, head_dim, hidden=1024):
    return {
        "num_attention_heads": query_heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "hidden_size": hidden,
    }


WINDOWS = {"kinds": ("sliding", "full"), "reach_field": "sliding_window"}

# Experts are all chosen: which of them are would differ from one rounding to the next.
MODELS = [
    Model("Qwen3-8B", "Qwen3Config", **heads(32, 8, 128)),
    Model("Qwen3-235B-A22B", "Qwen3Config", **heads(64, 4, 128)),
    Model(
        "gpt-oss",
        "GptOssConfig",
        reach=128,
        num_local_experts=2,
        num_experts_per_tok=2,
        **heads(64, 8, 64),
        **WINDOWS,
    ),
    Model(
        "gemma-2-9b",
        "Gemma2Config",
        reach=4096,
        deviation=6.0,
        query_pre_attn_scalar=256,
        attn_logit_softcapping=50.0,
        **heads(16, 8, 256),
        **WINDOWS,
    ),
    Model(
        "gemma-2-27b",
        "Gemma2Config",
        reach=4096,
        deviation=6.0,
        query_pre_attn_scalar=144,
        attn_logit_softcapping=50.0,
        **heads(32, 16, 128),
        **WINDOWS,
    ),
    Model(
        "gemma-3-12b", "Gemma3TextConfig", reach=1024, query_pre_attn_scalar=256, **heads(16, 8, 256), **WINDOWS
    ),
    Model("gemma-3-27b", "Gemma3TextConfig", reach=1024, query_pre_attn_scalar=168, **heads(32, 16, 128), **WINDOWS),
    Model("gemma-3-1b", "Gemma3TextConfig", reach=512, query_pre_attn_scalar=256, **heads(4, 1, 256), **WINDOWS),
    Model(
        "Llama-4-Scout",
        "Llama4TextConfig",
        reach=8192,
        kinds=("chunked", "full"),
        reach_field="attention_chunk_size",
        no_rope_layers=True,
        moe_layers=[],
        intermediate_size_mlp=1024,
        **heads(40, 8, 128, hidden=1280),
    ),
]
QUICK = ("Qwen3-8B", "gpt-oss", "gemma-2-9b", "gemma-3-12b", "Llama-4-Scout")


# ------------------------------------------------------------------------------------------------------- weights


def new_model(config, dtype, device, implementation=None):
    is_old = int(transformers.__version__.split(".")[0]) < 5
    arguments = {"torch_dtype" if is_old else "dtype": dtype}
    if implementation:
        arguments["attn_implementation"] = implementation
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, **arguments).eval()
    if hasattr(model, "set_experts_implementation") and model._can_set_experts_implementation():
        model.set_experts_implementation("eager")  # which takes float32 everywhere
    return model


def randomize(model, deviation, seed):
    """Weights that bf16 holds, with which attention has logits of that deviation, and keys matter that are far away."""
    device = next(model.parameters()).device
    generator = torch.Generator(device=device).manual_seed(seed)
    is_gemma = "Gemma" in type(model).__name__
    added = 1.0 if is_gemma else 0.0  # to the weights of norms, by the model
    gain = math.sqrt(deviation)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator, device=device)
        part = name.split(".")[-2]
        if part in ("q_norm", "k_norm"):
            value = gain * (1 + 0.05 * noise) - added
        elif "norm" in part:
            value = 1 - added + 0.1 * noise
        elif name.endswith("sinks"):
            value = 3 + noise
        elif weight.dim() == 1 or name.endswith("bias"):
            value = 0.1 * noise
        elif part == "embed_tokens":
            value = noise / math.sqrt(weight.shape[1]) if is_gemma else noise
        else:
            gains = {"q_proj": gain, "k_proj": gain, "v_proj": 3.0}
            fan_in = weight.shape[1]  # of [out][in], and of experts' [experts][in][out]
            value = gains.get(part, 1.0) * noise / math.sqrt(fan_in)
        weight.data.copy_(value.to(torch.bfloat16))


def build(model, size, device, seed):
    """The model in float32, and the same weights in bf16."""
    config = model.config(size)
    exact = new_model(config, torch.float32, device, "eager")
    with torch.no_grad():
        randomize(exact, model.deviation, seed)
    rounded = new_model(model.config(size), torch.bfloat16, device)
    rounded.load_state_dict(exact.state_dict())
    return exact, rounded
