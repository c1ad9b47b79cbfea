//! The constants, structs and functions of flashjit.h. Written by bindings.py: do not edit.

pub const FI_OK = 0;
pub const FI_ERROR_ARGUMENT = 1;
pub const FI_ERROR_SPEC = 2;
pub const FI_ERROR_UNSUPPORTED = 3;
pub const FI_ERROR_NO_COMPILER = 4;
pub const FI_ERROR_NO_DRIVER = 5;
pub const FI_ERROR_OLD_DRIVER = 6;
pub const FI_ERROR_COMPILE = 7;
pub const FI_ERROR_NOT_CACHED = 8;
pub const FI_ERROR_DEADLINE = 9;
pub const FI_ERROR_DRIVER = 10;
pub const FI_ERROR_MEMORY = 11;
pub const FI_ERROR_FORKED = 12;
pub const FI_ERROR_CAPTURE = 13;
pub const FI_ERROR_ABI = 14;
pub const FI_OP_ATTENTION = 0;
pub const FI_OP_APPEND = 1;
pub const FI_OP_MERGE = 2;
pub const FI_OP_PLAN = 3;
pub const FI_OP_INDEXER = 4;
pub const FI_FAMILY_AUTO = 0;
pub const FI_FAMILY_MMA = 1;
pub const FI_FAMILY_WGMMA = 2;
pub const FI_DTYPE_DEFAULT = 0;
pub const FI_F16 = 1;
pub const FI_BF16 = 2;
pub const FI_E4M3 = 3;
pub const FI_E5M2 = 4;
pub const FI_F32 = 5;
pub const FI_I8 = 6;
pub const FI_I4 = 7;
pub const FI_NVFP4 = 8;
pub const FI_SCALE_NONE = 0;
pub const FI_SCALE_TENSOR = 1;
pub const FI_SCALE_HEAD = 2;
pub const FI_SCALE_TOKEN = 3;
pub const FI_SCALE_GROUP = 4;
pub const FI_SCALE_E8M0 = 5;
pub const FI_INDEX_DENSE = 0;
pub const FI_INDEX_CSR = 1;
pub const FI_IDS_INT32 = 0;
pub const FI_IDS_INT64 = 1;
pub const FI_SLOTS_NONE = 0;
pub const FI_SLOTS_INT32 = 1;
pub const FI_SLOTS_INT64 = 2;
pub const FI_LSE_NONE = 0;
pub const FI_LSE_NATURAL = 1;
pub const FI_LSE_BASE2 = 2;
pub const FI_ROPE_NONE = 0;
pub const FI_ROPE_HALF = 1;
pub const FI_ROPE_INTERLEAVED = 2;
pub const FI_KEYS_ROTATED = 0;
pub const FI_KEYS_UNROTATED = 1;
pub const FI_V_OWN = 0;
pub const FI_V_KEYS = 1;
pub const FI_POSITIONS_KV_OFFSET = 0;
pub const FI_POSITIONS_ARRAY = 1;
pub const FI_MASK_CAUSAL = 0;
pub const FI_MASK_NONE = 1;
pub const FI_SCORES_SUM = 0;
pub const FI_SCORES_HEADS = 1;
pub const FI_BIAS_NONE = 0;
pub const FI_BIAS_SLOPES = 1;
pub const FI_BIAS_DISTANCE = 2;
pub const FI_BIAS_TOKEN_DISTANCE = 3;
pub const FI_BIAS_DENSE = 4;
pub const FI_SNIPPET_NONE = 0;
pub const FI_SNIPPET_LOGIT = 1;
pub const FI_SNIPPET_WEIGHT = 2;
pub const FI_SPEC_TEXT_SIZE = 1024;
pub const FI_SNIPPET_SIZE = 1048576;
pub const FI_MODE_DEFAULT = 0;
pub const FI_MODE_ON = 1;
pub const FI_MODE_LOAD_ONLY = 2;
pub const FI_MODE_MEMORY_ONLY = 3;
pub const FI_LAYER_MEMORY = 0;
pub const FI_LAYER_READ_ONLY = 1;
pub const FI_LAYER_USER = 2;
pub const FI_LAYER_COMPILED = 3;
pub const FI_LAYER_BUNDLE = 4;
pub const FI_LAYER_HTTP = 5;
pub const FI_EVENT_COMPILE_BEGIN = 1;
pub const FI_EVENT_COMPILE_END = 2;
pub const FI_EVENT_LOADED = 3;
pub const FI_EVENT_CACHE_PROBLEM = 4;
pub const FI_EVENT_PROGRESS = 5;
pub const FI_FAULT_NONE = 0;
pub const FI_FAULT_Q_INDPTR = 1;
pub const FI_FAULT_TOKENS = 2;
pub const FI_FAULT_KV_LEN = 3;
pub const FI_FAULT_KV_START = 4;
pub const FI_FAULT_PAGE = 5;
pub const FI_FAULT_PLAN = 6;
pub const FI_FAULT_LAST_PAGE = 7;
pub const FI_FAULT_RANGE = 8;
pub const FI_FAULT_SELECTED_LEN = 9;
pub const FI_FAULT_SELECTED = 10;
pub const FI_FAULT_SECOND_LEN = 11;
pub const FI_FAULT_ORDER = 12;
pub const FI_FAULT_SHARED = 13;
pub const FI_FAULT_SECOND_PAGE = 14;
pub const FI_MOST_PLANS = 64;
pub const FI_SCALING_NONE = 0;
pub const FI_SCALING_LINEAR = 1;
pub const FI_SCALING_LLAMA3 = 2;
pub const FI_SCALING_YARN = 3;
pub const FI_SCALING_LONGROPE = 4;
pub const FI_SCALING_DYNAMIC = 5;
pub const FI_SCALING_PROPORTIONAL = 6;
pub const FI_SECTIONS_CONTIGUOUS = 0;
pub const FI_SECTIONS_INTERLEAVED = 1;
pub const FI_SECTIONS_ALTERNATING = 2;

pub const fi_ctx = opaque {};
pub const fi_kernel = opaque {};

pub const fi_spec = extern struct {
    struct_size: u32,
    op: u32,
    family: u32,
    head_dim: u32,
    v_dim: u32,
    group: u32,
    rows: u32,
    q_dtype: u32,
    kv_dtype: u32,
    o_dtype: u32,
    kv_scale: u32,
    page_size: u32,
    slots: u32,
    page_ids: u32,
    index: u32,
    kv_start: u32,
    mask: u32,
    window_left: u32,
    window_right: u32,
    chunk: u32,
    ranges: u32,
    mask_bits: u32,
    lse: u32,
    rope: u32,
    rope_keys: u32,
    rope_dim: u32,
    rope_first: u32,
    rope_positions: u32,
    rope_axes: u32,
    softcap: u32,
    sinks: u32,
    bias: u32,
    snippet_hash: u64,
    snippet: u32,
    intervals: u32,
    v_dtype: u32,
    scale_group: u32,
    v_source: u32,
    select: u32,
    prefixes: u32,
    scores: u32,
    members: u32,
    wide_dims: u32,
    second_page: u32,
    reserved: [47]u32,
};

pub const fi_axis = extern struct {
    struct_size: u32,
    offset: u32,
    name: [*c]const u8,
    key: [*c]const u8,
    meaning: [*c]const u8,
    values: [*c]const u32,
    value_names: [*c][*c]const u8,
    value_count: u32,
    minimum: u32,
    maximum: u32,
    default_value: u32,
    ops: u32,
    step: u32,
    last_step: u32,
    reserved: [5]u32,
};

pub const fi_event = extern struct {
    struct_size: u32,
    kind: u32,
    layer: u32,
    status: i32,
    milliseconds: f64,
    spec: [*c]const u8,
    target: [*c]const u8,
    key: [*c]const u8,
    message: [*c]const u8,
    unkept: u32,
    choice: u32,
    done: u32,
    count: u32,
    reserved: [4]u32,
};

pub const fi_options = extern struct {
    struct_size: u32,
    mode: u32,
    target: [*c]const u8,
    cache_dir: [*c]const u8,
    read_only_dirs: [*c]const u8,
    nvrtc: [*c]const u8,
    driver: [*c]const u8,
    cache_bytes: u64,
    on_event: ?*const fn (?*anyopaque, *const fi_event) callconv(.c) void,
    user: ?*anyopaque,
    deadline_ms: u32,
    cache_shared: u32,
    bundles: [*c]const u8,
    bundle: ?*const anyopaque,
    bundle_bytes: u64,
    bundle_key: [*c]const u8,
    http_url: [*c]const u8,
    reserved: [4]u32,
};

pub const fi_counters = extern struct {
    struct_size: u32,
    kernels: u32,
    memory_hits: u64,
    read_only_hits: u64,
    user_hits: u64,
    compiles: u64,
    failures: u64,
    cache_problems: u64,
    compile_ms: f64,
    bundle_hits: u64,
    http_hits: u64,
    reserved: [12]u32,
};

pub const fi_facts = extern struct {
    struct_size: u32,
    layer: u32,
    registers: u32,
    static_shared: u32,
    dynamic_shared: u32,
    spill_bytes: u32,
    threads: u32,
    ctas_per_sm: u32,
    image_bytes: u32,
    source_lines: u32,
    compile_ms: f64,
    target: [16]u8,
    key: [33]u8,
    toolchain: [64]u8,
    choice: u32,
    kernels: u32,
    reserved: [13]u32,
};

pub const fi_workspace = extern struct {
    struct_size: u32,
    max_requests: u32,
    max_tokens: u32,
    max_kv_len: u32,
    kv_heads: u32,
    ctas: u32,
    bytes: u64,
    memory: ?*anyopaque,
    scratch_bytes: u64,
    scratch: ?*anyopaque,
    split_tokens: u32,
    max_selected: u32,
    max_q_len: u32,
    reserved: [23]u32,
};

pub const fi_fault = extern struct {
    kind: u32,
    request: u32,
    value: i64,
};

pub const fi_batch = extern struct {
    struct_size: u32,
    requests: u32,
    q_indptr: [*c]const i32,
    kv_len: [*c]const i32,
    kv_indptr: [*c]const i32,
    last_page_len: [*c]const i32,
    kv_start: [*c]const i32,
    page_table: ?*const anyopaque,
    page_table_stride: i64,
    ranges: [*c]const i32,
    range_indptr: [*c]const i32,
    mask_bits: [*c]const u32,
    mask_offsets: [*c]const i64,
    mask_stride: i64,
    page_count: u32,
    second_page_count: u32,
    selected_len: [*c]const i32,
    second_page_table: ?*const anyopaque,
    second_page_table_stride: i64,
    second_kv_len: [*c]const i32,
    shared: [*c]const i32,
    reserved: [28]u32,
};

pub const fi_kv = extern struct {
    data: ?*anyopaque,
    page_stride: i64,
    token_stride: i64,
    head_stride: i64,
    scales: ?*anyopaque,
    scale: f32,
    unused: u32,
    scale_page_stride: i64,
    scale_token_stride: i64,
    scale_head_stride: i64,
    reserved: [6]u32,
};

pub const fi_tensors = extern struct {
    struct_size: u32,
    softmax_scale: f32,
    q: ?*const anyopaque,
    o: ?*anyopaque,
    lse: [*c]f32,
    q_token_stride: i64,
    q_head_stride: i64,
    o_token_stride: i64,
    o_head_stride: i64,
    positions: [*c]const i32,
    k: fi_kv,
    v: fi_kv,
    k_new: fi_kv,
    v_new: fi_kv,
    slots: ?*const anyopaque,
    parts_o: ?*const anyopaque,
    parts_lse: [*c]const f32,
    parts: u32,
    tokens: u32,
    heads: u32,
    o_scale: f32,
    rope_table: [*c]const u64,
    key_positions: [*c]const i32,
    position_stride: i64,
    key_position_stride: i64,
    key_page_stride: i64,
    rope_magnitude: f32,
    softcap: f32,
    sinks: [*c]const f32,
    slopes: [*c]const f32,
    bias: ?*const anyopaque,
    bias_token_stride: i64,
    bias_head_stride: i64,
    bias_extent: u32,
    bias_first: i32,
    snippet_params: ?*const anyopaque,
    selected: [*c]const i32,
    selected_token_stride: i64,
    selected_head_stride: i64,
    lists: [*c]i32,
    weights: [*c]const f32,
    weight_stride: i64,
    first_blocks: u32,
    last_blocks: u32,
    second_k: fi_kv,
    second_v: fi_kv,
    reserved: [40]u32,
};

pub const fi_rope = extern struct {
    struct_size: u32,
    dim: u32,
    scaling: u32,
    no_truncation: u32,
    turning_pairs: u32,
    max_tokens: u32,
    theta: f64,
    factor: f64,
    context: f64,
    low_frequency: f64,
    high_frequency: f64,
    beta_fast: f64,
    beta_slow: f64,
    mscale: f64,
    mscale_all_dim: f64,
    attention_factor: f64,
    frequencies: [*c]const f32,
    short_factors: [*c]const f64,
    long_factors: [*c]const f64,
    sections: [3]u32,
    section_order: u32,
    reserved: [28]u32,
};

pub extern fn fi_library_version(
) u32;
pub extern fn fi_status_name(
    status: i32,
) [*c]const u8;
pub extern fn fi_status_meaning(
    status: i32,
) [*c]const u8;
pub extern fn fi_last_error(
) [*c]const u8;
pub extern fn fi_spec_init(
    spec: [*c]fi_spec,
) void;
pub extern fn fi_spec_supported(
    spec: [*c]const fi_spec,
    target: [*c]const u8,
) i32;
pub extern fn fi_spec_print(
    spec: [*c]const fi_spec,
    text: [*c]u8,
    size: usize,
) i32;
pub extern fn fi_spec_parse(
    text: [*c]const u8,
    spec: [*c]fi_spec,
) i32;
pub extern fn fi_register_snippet(
    text: [*c]const u8,
    hash: [*c]u64,
) i32;
pub extern fn fi_axis_describe(
    number: u32,
    axis: [*c]fi_axis,
) i32;
pub extern fn fi_spec_next(
    spec: [*c]fi_spec,
) c_int;
pub extern fn fi_ctx_create(
    options: [*c]const fi_options,
    ctx: [*c]?*fi_ctx,
) i32;
pub extern fn fi_ctx_set_mode(
    ctx: ?*fi_ctx,
    mode: u32,
) i32;
pub extern fn fi_ctx_destroy(
    ctx: ?*fi_ctx,
) void;
pub extern fn fi_counters_read(
    ctx: ?*const fi_ctx,
    counters: [*c]fi_counters,
) i32;
pub extern fn fi_get_kernel(
    ctx: ?*fi_ctx,
    spec: [*c]const fi_spec,
    kernel: [*c]?*fi_kernel,
) i32;
pub extern fn fi_get_kernels(
    ctx: ?*fi_ctx,
    specs: [*c]const fi_spec,
    count: u32,
    threads: u32,
    kernels: [*c]?*fi_kernel,
    statuses: [*c]i32,
) i32;
pub extern fn fi_precompile(
    ctx: ?*fi_ctx,
    spec: [*c]const fi_spec,
    facts: [*c]fi_facts,
) i32;
pub extern fn fi_kernel_facts(
    kernel: ?*const fi_kernel,
    facts: [*c]fi_facts,
) i32;
pub extern fn fi_spec_member(
    spec: [*c]const fi_spec,
    target: [*c]const u8,
    number: u32,
    member: [*c]fi_spec,
) i32;
pub extern fn fi_kernel_spec(
    kernel: ?*const fi_kernel,
    spec: [*c]fi_spec,
) i32;
pub extern fn fi_kernel_source(
    spec: [*c]const fi_spec,
    target: [*c]const u8,
    source: [*c]u8,
    size: [*c]usize,
) i32;
pub extern fn fi_kernel_prepare(
    kernel: ?*fi_kernel,
) i32;
pub extern fn fi_workspace_size(
    kernel: ?*const fi_kernel,
    workspace: [*c]fi_workspace,
) i32;
pub extern fn fi_plan(
    kernel: ?*fi_kernel,
    batch: [*c]const fi_batch,
    workspace: [*c]const fi_workspace,
    stream: ?*anyopaque,
) i32;
pub extern fn fi_plan_all(
    kernels: [*c]?*fi_kernel,
    batches: [*c][*c]const fi_batch,
    workspaces: [*c][*c]const fi_workspace,
    count: u32,
    stream: ?*anyopaque,
) i32;
pub extern fn fi_run(
    kernel: ?*fi_kernel,
    tensors: [*c]const fi_tensors,
    workspace: [*c]const fi_workspace,
    stream: ?*anyopaque,
) i32;
pub extern fn fi_rope_table(
    rope: [*c]const fi_rope,
    table: [*c]u64,
    magnitude: [*c]f32,
) i32;
