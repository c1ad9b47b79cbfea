"""The constants, structs and functions of flashjit.h. Written by declarations.py: do not edit.

Pointers are addresses (c_void_p), and text is c_char_p.
"""

# fmt: off
from ctypes import CFUNCTYPE, Structure
from ctypes import c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

VERSION = (0, 1, 0)

FI_OK = 0
FI_ERROR_ARGUMENT = 1
FI_ERROR_SPEC = 2
FI_ERROR_UNSUPPORTED = 3
FI_ERROR_NO_COMPILER = 4
FI_ERROR_NO_DRIVER = 5
FI_ERROR_OLD_DRIVER = 6
FI_ERROR_COMPILE = 7
FI_ERROR_NOT_CACHED = 8
FI_ERROR_DEADLINE = 9
FI_ERROR_DRIVER = 10
FI_ERROR_MEMORY = 11
FI_ERROR_FORKED = 12
FI_ERROR_CAPTURE = 13
FI_ERROR_ABI = 14
FI_OP_ATTENTION = 0
FI_OP_APPEND = 1
FI_OP_MERGE = 2
FI_OP_PLAN = 3
FI_OP_INDEXER = 4
FI_FAMILY_AUTO = 0
FI_FAMILY_MMA = 1
FI_FAMILY_WGMMA = 2
FI_DTYPE_DEFAULT = 0
FI_F16 = 1
FI_BF16 = 2
FI_E4M3 = 3
FI_E5M2 = 4
FI_F32 = 5
FI_I8 = 6
FI_I4 = 7
FI_NVFP4 = 8
FI_SCALE_NONE = 0
FI_SCALE_TENSOR = 1
FI_SCALE_HEAD = 2
FI_SCALE_TOKEN = 3
FI_SCALE_GROUP = 4
FI_SCALE_E8M0 = 5
FI_INDEX_DENSE = 0
FI_INDEX_CSR = 1
FI_IDS_INT32 = 0
FI_IDS_INT64 = 1
FI_SLOTS_NONE = 0
FI_SLOTS_INT32 = 1
FI_SLOTS_INT64 = 2
FI_LSE_NONE = 0
FI_LSE_NATURAL = 1
FI_LSE_BASE2 = 2
FI_ROPE_NONE = 0
FI_ROPE_HALF = 1
FI_ROPE_INTERLEAVED = 2
FI_KEYS_ROTATED = 0
FI_KEYS_UNROTATED = 1
FI_V_OWN = 0
FI_V_KEYS = 1
FI_POSITIONS_KV_OFFSET = 0
FI_POSITIONS_ARRAY = 1
FI_MASK_CAUSAL = 0
FI_MASK_NONE = 1
FI_SCORES_SUM = 0
FI_SCORES_HEADS = 1
FI_BIAS_NONE = 0
FI_BIAS_SLOPES = 1
FI_BIAS_DISTANCE = 2
FI_BIAS_TOKEN_DISTANCE = 3
FI_BIAS_DENSE = 4
FI_SNIPPET_NONE = 0
FI_SNIPPET_LOGIT = 1
FI_SNIPPET_WEIGHT = 2
FI_SPEC_TEXT_SIZE = 1024
FI_SNIPPET_SIZE = 1048576
FI_MODE_DEFAULT = 0
FI_MODE_ON = 1
FI_MODE_LOAD_ONLY = 2
FI_MODE_MEMORY_ONLY = 3
FI_LAYER_MEMORY = 0
FI_LAYER_READ_ONLY = 1
FI_LAYER_USER = 2
FI_LAYER_COMPILED = 3
FI_LAYER_BUNDLE = 4
FI_LAYER_HTTP = 5
FI_EVENT_COMPILE_BEGIN = 1
FI_EVENT_COMPILE_END = 2
FI_EVENT_LOADED = 3
FI_EVENT_CACHE_PROBLEM = 4
FI_EVENT_PROGRESS = 5
FI_FAULT_NONE = 0
FI_FAULT_Q_INDPTR = 1
FI_FAULT_TOKENS = 2
FI_FAULT_KV_LEN = 3
FI_FAULT_KV_START = 4
FI_FAULT_PAGE = 5
FI_FAULT_PLAN = 6
FI_FAULT_LAST_PAGE = 7
FI_FAULT_RANGE = 8
FI_FAULT_SELECTED_LEN = 9
FI_FAULT_SELECTED = 10
FI_FAULT_SECOND_LEN = 11
FI_FAULT_ORDER = 12
FI_FAULT_SHARED = 13
FI_FAULT_SECOND_PAGE = 14
FI_MOST_PLANS = 64
FI_SCALING_NONE = 0
FI_SCALING_LINEAR = 1
FI_SCALING_LLAMA3 = 2
FI_SCALING_YARN = 3
FI_SCALING_LONGROPE = 4
FI_SCALING_DYNAMIC = 5
FI_SCALING_PROPORTIONAL = 6
FI_SECTIONS_CONTIGUOUS = 0
FI_SECTIONS_INTERLEAVED = 1
FI_SECTIONS_ALTERNATING = 2

fi_event_callback = CFUNCTYPE(None, c_void_p, c_void_p)


class fi_spec(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("op", c_uint32),
        ("family", c_uint32),
        ("head_dim", c_uint32),
        ("v_dim", c_uint32),
        ("group", c_uint32),
        ("rows", c_uint32),
        ("q_dtype", c_uint32),
        ("kv_dtype", c_uint32),
        ("o_dtype", c_uint32),
        ("kv_scale", c_uint32),
        ("page_size", c_uint32),
        ("slots", c_uint32),
        ("page_ids", c_uint32),
        ("index", c_uint32),
        ("kv_start", c_uint32),
        ("mask", c_uint32),
        ("window_left", c_uint32),
        ("window_right", c_uint32),
        ("chunk", c_uint32),
        ("ranges", c_uint32),
        ("mask_bits", c_uint32),
        ("lse", c_uint32),
        ("rope", c_uint32),
        ("rope_keys", c_uint32),
        ("rope_dim", c_uint32),
        ("rope_first", c_uint32),
        ("rope_positions", c_uint32),
        ("rope_axes", c_uint32),
        ("softcap", c_uint32),
        ("sinks", c_uint32),
        ("bias", c_uint32),
        ("snippet_hash", c_uint64),
        ("snippet", c_uint32),
        ("intervals", c_uint32),
        ("v_dtype", c_uint32),
        ("scale_group", c_uint32),
        ("v_source", c_uint32),
        ("select", c_uint32),
        ("prefixes", c_uint32),
        ("scores", c_uint32),
        ("members", c_uint32),
        ("wide_dims", c_uint32),
        ("second_page", c_uint32),
        ("reserved", c_uint32 * 47),
    ]


class fi_axis(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("offset", c_uint32),
        ("name", c_char_p),
        ("key", c_char_p),
        ("meaning", c_char_p),
        ("values", c_void_p),
        ("value_names", c_void_p),
        ("value_count", c_uint32),
        ("minimum", c_uint32),
        ("maximum", c_uint32),
        ("default_value", c_uint32),
        ("ops", c_uint32),
        ("step", c_uint32),
        ("last_step", c_uint32),
        ("reserved", c_uint32 * 5),
    ]


class fi_event(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_uint32),
        ("layer", c_uint32),
        ("status", c_int32),
        ("milliseconds", c_double),
        ("spec", c_char_p),
        ("target", c_char_p),
        ("key", c_char_p),
        ("message", c_char_p),
        ("unkept", c_uint32),
        ("choice", c_uint32),
        ("done", c_uint32),
        ("count", c_uint32),
        ("reserved", c_uint32 * 4),
    ]


class fi_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("mode", c_uint32),
        ("target", c_char_p),
        ("cache_dir", c_char_p),
        ("read_only_dirs", c_char_p),
        ("nvrtc", c_char_p),
        ("driver", c_char_p),
        ("cache_bytes", c_uint64),
        ("on_event", fi_event_callback),
        ("user", c_void_p),
        ("deadline_ms", c_uint32),
        ("cache_shared", c_uint32),
        ("bundles", c_char_p),
        ("bundle", c_void_p),
        ("bundle_bytes", c_uint64),
        ("bundle_key", c_char_p),
        ("http_url", c_char_p),
        ("reserved", c_uint32 * 4),
    ]


class fi_counters(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kernels", c_uint32),
        ("memory_hits", c_uint64),
        ("read_only_hits", c_uint64),
        ("user_hits", c_uint64),
        ("compiles", c_uint64),
        ("failures", c_uint64),
        ("cache_problems", c_uint64),
        ("compile_ms", c_double),
        ("bundle_hits", c_uint64),
        ("http_hits", c_uint64),
        ("reserved", c_uint32 * 12),
    ]


class fi_facts(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("layer", c_uint32),
        ("registers", c_uint32),
        ("static_shared", c_uint32),
        ("dynamic_shared", c_uint32),
        ("spill_bytes", c_uint32),
        ("threads", c_uint32),
        ("ctas_per_sm", c_uint32),
        ("image_bytes", c_uint32),
        ("source_lines", c_uint32),
        ("compile_ms", c_double),
        ("target", c_char * 16),
        ("key", c_char * 33),
        ("toolchain", c_char * 64),
        ("choice", c_uint32),
        ("kernels", c_uint32),
        ("reserved", c_uint32 * 13),
    ]


class fi_workspace(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("max_requests", c_uint32),
        ("max_tokens", c_uint32),
        ("max_kv_len", c_uint32),
        ("kv_heads", c_uint32),
        ("ctas", c_uint32),
        ("bytes", c_uint64),
        ("memory", c_void_p),
        ("scratch_bytes", c_uint64),
        ("scratch", c_void_p),
        ("split_tokens", c_uint32),
        ("max_selected", c_uint32),
        ("max_q_len", c_uint32),
        ("reserved", c_uint32 * 23),
    ]


class fi_fault(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("request", c_uint32),
        ("value", c_int64),
    ]


class fi_batch(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("requests", c_uint32),
        ("q_indptr", c_void_p),
        ("kv_len", c_void_p),
        ("kv_indptr", c_void_p),
        ("last_page_len", c_void_p),
        ("kv_start", c_void_p),
        ("page_table", c_void_p),
        ("page_table_stride", c_int64),
        ("ranges", c_void_p),
        ("range_indptr", c_void_p),
        ("mask_bits", c_void_p),
        ("mask_offsets", c_void_p),
        ("mask_stride", c_int64),
        ("page_count", c_uint32),
        ("second_page_count", c_uint32),
        ("selected_len", c_void_p),
        ("second_page_table", c_void_p),
        ("second_page_table_stride", c_int64),
        ("second_kv_len", c_void_p),
        ("shared", c_void_p),
        ("reserved", c_uint32 * 28),
    ]


class fi_kv(Structure):
    _fields_ = [
        ("data", c_void_p),
        ("page_stride", c_int64),
        ("token_stride", c_int64),
        ("head_stride", c_int64),
        ("scales", c_void_p),
        ("scale", c_float),
        ("unused", c_uint32),
        ("scale_page_stride", c_int64),
        ("scale_token_stride", c_int64),
        ("scale_head_stride", c_int64),
        ("reserved", c_uint32 * 6),
    ]


class fi_tensors(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("softmax_scale", c_float),
        ("q", c_void_p),
        ("o", c_void_p),
        ("lse", c_void_p),
        ("q_token_stride", c_int64),
        ("q_head_stride", c_int64),
        ("o_token_stride", c_int64),
        ("o_head_stride", c_int64),
        ("positions", c_void_p),
        ("k", fi_kv),
        ("v", fi_kv),
        ("k_new", fi_kv),
        ("v_new", fi_kv),
        ("slots", c_void_p),
        ("parts_o", c_void_p),
        ("parts_lse", c_void_p),
        ("parts", c_uint32),
        ("tokens", c_uint32),
        ("heads", c_uint32),
        ("o_scale", c_float),
        ("rope_table", c_void_p),
        ("key_positions", c_void_p),
        ("position_stride", c_int64),
        ("key_position_stride", c_int64),
        ("key_page_stride", c_int64),
        ("rope_magnitude", c_float),
        ("softcap", c_float),
        ("sinks", c_void_p),
        ("slopes", c_void_p),
        ("bias", c_void_p),
        ("bias_token_stride", c_int64),
        ("bias_head_stride", c_int64),
        ("bias_extent", c_uint32),
        ("bias_first", c_int32),
        ("snippet_params", c_void_p),
        ("selected", c_void_p),
        ("selected_token_stride", c_int64),
        ("selected_head_stride", c_int64),
        ("lists", c_void_p),
        ("weights", c_void_p),
        ("weight_stride", c_int64),
        ("first_blocks", c_uint32),
        ("last_blocks", c_uint32),
        ("second_k", fi_kv),
        ("second_v", fi_kv),
        ("reserved", c_uint32 * 40),
    ]


class fi_rope(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("dim", c_uint32),
        ("scaling", c_uint32),
        ("no_truncation", c_uint32),
        ("turning_pairs", c_uint32),
        ("max_tokens", c_uint32),
        ("theta", c_double),
        ("factor", c_double),
        ("context", c_double),
        ("low_frequency", c_double),
        ("high_frequency", c_double),
        ("beta_fast", c_double),
        ("beta_slow", c_double),
        ("mscale", c_double),
        ("mscale_all_dim", c_double),
        ("attention_factor", c_double),
        ("frequencies", c_void_p),
        ("short_factors", c_void_p),
        ("long_factors", c_void_p),
        ("sections", c_uint32 * 3),
        ("section_order", c_uint32),
        ("reserved", c_uint32 * 28),
    ]


# Result and arguments.
FUNCTIONS = {
    "fi_library_version": (c_uint32, []),
    "fi_status_name": (c_char_p, [c_int32]),
    "fi_status_meaning": (c_char_p, [c_int32]),
    "fi_last_error": (c_char_p, []),
    "fi_spec_init": (None, [c_void_p]),
    "fi_spec_supported": (c_int32, [c_void_p, c_char_p]),
    "fi_spec_print": (c_int32, [c_void_p, c_void_p, c_size_t]),
    "fi_spec_parse": (c_int32, [c_char_p, c_void_p]),
    "fi_register_snippet": (c_int32, [c_char_p, c_void_p]),
    "fi_axis_describe": (c_int32, [c_uint32, c_void_p]),
    "fi_spec_next": (c_int, [c_void_p]),
    "fi_ctx_create": (c_int32, [c_void_p, c_void_p]),
    "fi_ctx_set_mode": (c_int32, [c_void_p, c_uint32]),
    "fi_ctx_destroy": (None, [c_void_p]),
    "fi_counters_read": (c_int32, [c_void_p, c_void_p]),
    "fi_get_kernel": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "fi_get_kernels": (c_int32, [c_void_p, c_void_p, c_uint32, c_uint32, c_void_p, c_void_p]),
    "fi_precompile": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "fi_kernel_facts": (c_int32, [c_void_p, c_void_p]),
    "fi_spec_member": (c_int32, [c_void_p, c_char_p, c_uint32, c_void_p]),
    "fi_kernel_spec": (c_int32, [c_void_p, c_void_p]),
    "fi_kernel_source": (c_int32, [c_void_p, c_char_p, c_void_p, c_void_p]),
    "fi_kernel_prepare": (c_int32, [c_void_p]),
    "fi_workspace_size": (c_int32, [c_void_p, c_void_p]),
    "fi_plan": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "fi_plan_all": (c_int32, [c_void_p, c_void_p, c_void_p, c_uint32, c_void_p]),
    "fi_run": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "fi_rope_table": (c_int32, [c_void_p, c_void_p, c_void_p]),
}
