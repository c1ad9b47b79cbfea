// The constants, structs and functions of flashjit.h. Written by bindings.py: do not edit.

use std::os::raw::{c_char, c_int, c_void};

pub const FI_OK: i32 = 0;
pub const FI_ERROR_ARGUMENT: i32 = 1;
pub const FI_ERROR_SPEC: i32 = 2;
pub const FI_ERROR_UNSUPPORTED: i32 = 3;
pub const FI_ERROR_NO_COMPILER: i32 = 4;
pub const FI_ERROR_NO_DRIVER: i32 = 5;
pub const FI_ERROR_OLD_DRIVER: i32 = 6;
pub const FI_ERROR_COMPILE: i32 = 7;
pub const FI_ERROR_NOT_CACHED: i32 = 8;
pub const FI_ERROR_DEADLINE: i32 = 9;
pub const FI_ERROR_DRIVER: i32 = 10;
pub const FI_ERROR_MEMORY: i32 = 11;
pub const FI_ERROR_FORKED: i32 = 12;
pub const FI_ERROR_CAPTURE: i32 = 13;
pub const FI_ERROR_ABI: i32 = 14;
pub const FI_OP_ATTENTION: u32 = 0;
pub const FI_OP_APPEND: u32 = 1;
pub const FI_OP_MERGE: u32 = 2;
pub const FI_OP_PLAN: u32 = 3;
pub const FI_OP_INDEXER: u32 = 4;
pub const FI_FAMILY_AUTO: u32 = 0;
pub const FI_FAMILY_MMA: u32 = 1;
pub const FI_FAMILY_WGMMA: u32 = 2;
pub const FI_DTYPE_DEFAULT: u32 = 0;
pub const FI_F16: u32 = 1;
pub const FI_BF16: u32 = 2;
pub const FI_E4M3: u32 = 3;
pub const FI_E5M2: u32 = 4;
pub const FI_F32: u32 = 5;
pub const FI_I8: u32 = 6;
pub const FI_I4: u32 = 7;
pub const FI_NVFP4: u32 = 8;
pub const FI_SCALE_NONE: u32 = 0;
pub const FI_SCALE_TENSOR: u32 = 1;
pub const FI_SCALE_HEAD: u32 = 2;
pub const FI_SCALE_TOKEN: u32 = 3;
pub const FI_SCALE_GROUP: u32 = 4;
pub const FI_SCALE_E8M0: u32 = 5;
pub const FI_INDEX_DENSE: u32 = 0;
pub const FI_INDEX_CSR: u32 = 1;
pub const FI_IDS_INT32: u32 = 0;
pub const FI_IDS_INT64: u32 = 1;
pub const FI_SLOTS_NONE: u32 = 0;
pub const FI_SLOTS_INT32: u32 = 1;
pub const FI_SLOTS_INT64: u32 = 2;
pub const FI_LSE_NONE: u32 = 0;
pub const FI_LSE_NATURAL: u32 = 1;
pub const FI_LSE_BASE2: u32 = 2;
pub const FI_ROPE_NONE: u32 = 0;
pub const FI_ROPE_HALF: u32 = 1;
pub const FI_ROPE_INTERLEAVED: u32 = 2;
pub const FI_KEYS_ROTATED: u32 = 0;
pub const FI_KEYS_UNROTATED: u32 = 1;
pub const FI_V_OWN: u32 = 0;
pub const FI_V_KEYS: u32 = 1;
pub const FI_POSITIONS_KV_OFFSET: u32 = 0;
pub const FI_POSITIONS_ARRAY: u32 = 1;
pub const FI_MASK_CAUSAL: u32 = 0;
pub const FI_MASK_NONE: u32 = 1;
pub const FI_SCORES_SUM: u32 = 0;
pub const FI_SCORES_HEADS: u32 = 1;
pub const FI_BIAS_NONE: u32 = 0;
pub const FI_BIAS_SLOPES: u32 = 1;
pub const FI_BIAS_DISTANCE: u32 = 2;
pub const FI_BIAS_TOKEN_DISTANCE: u32 = 3;
pub const FI_BIAS_DENSE: u32 = 4;
pub const FI_SNIPPET_NONE: u32 = 0;
pub const FI_SNIPPET_LOGIT: u32 = 1;
pub const FI_SNIPPET_WEIGHT: u32 = 2;
pub const FI_SPEC_TEXT_SIZE: usize = 1024;
pub const FI_SNIPPET_SIZE: usize = 1048576;
pub const FI_MODE_DEFAULT: u32 = 0;
pub const FI_MODE_ON: u32 = 1;
pub const FI_MODE_LOAD_ONLY: u32 = 2;
pub const FI_MODE_MEMORY_ONLY: u32 = 3;
pub const FI_LAYER_MEMORY: u32 = 0;
pub const FI_LAYER_READ_ONLY: u32 = 1;
pub const FI_LAYER_USER: u32 = 2;
pub const FI_LAYER_COMPILED: u32 = 3;
pub const FI_LAYER_BUNDLE: u32 = 4;
pub const FI_LAYER_HTTP: u32 = 5;
pub const FI_EVENT_COMPILE_BEGIN: u32 = 1;
pub const FI_EVENT_COMPILE_END: u32 = 2;
pub const FI_EVENT_LOADED: u32 = 3;
pub const FI_EVENT_CACHE_PROBLEM: u32 = 4;
pub const FI_EVENT_PROGRESS: u32 = 5;
pub const FI_FAULT_NONE: u32 = 0;
pub const FI_FAULT_Q_INDPTR: u32 = 1;
pub const FI_FAULT_TOKENS: u32 = 2;
pub const FI_FAULT_KV_LEN: u32 = 3;
pub const FI_FAULT_KV_START: u32 = 4;
pub const FI_FAULT_PAGE: u32 = 5;
pub const FI_FAULT_PLAN: u32 = 6;
pub const FI_FAULT_LAST_PAGE: u32 = 7;
pub const FI_FAULT_RANGE: u32 = 8;
pub const FI_FAULT_SELECTED_LEN: u32 = 9;
pub const FI_FAULT_SELECTED: u32 = 10;
pub const FI_FAULT_SECOND_LEN: u32 = 11;
pub const FI_FAULT_ORDER: u32 = 12;
pub const FI_FAULT_SHARED: u32 = 13;
pub const FI_FAULT_SECOND_PAGE: u32 = 14;
pub const FI_MOST_PLANS: u32 = 64;
pub const FI_SCALING_NONE: u32 = 0;
pub const FI_SCALING_LINEAR: u32 = 1;
pub const FI_SCALING_LLAMA3: u32 = 2;
pub const FI_SCALING_YARN: u32 = 3;
pub const FI_SCALING_LONGROPE: u32 = 4;
pub const FI_SCALING_DYNAMIC: u32 = 5;
pub const FI_SCALING_PROPORTIONAL: u32 = 6;
pub const FI_SECTIONS_CONTIGUOUS: u32 = 0;
pub const FI_SECTIONS_INTERLEAVED: u32 = 1;
pub const FI_SECTIONS_ALTERNATING: u32 = 2;

#[repr(C)]
pub struct fi_ctx {
    _private: [u8; 0],
}

#[repr(C)]
pub struct fi_kernel {
    _private: [u8; 0],
}

pub type fi_event_callback = Option<unsafe extern "C" fn(user: *mut c_void, event: *const fi_event)>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_spec {
    pub struct_size: u32,
    pub op: u32,
    pub family: u32,
    pub head_dim: u32,
    pub v_dim: u32,
    pub group: u32,
    pub rows: u32,
    pub q_dtype: u32,
    pub kv_dtype: u32,
    pub o_dtype: u32,
    pub kv_scale: u32,
    pub page_size: u32,
    pub slots: u32,
    pub page_ids: u32,
    pub index: u32,
    pub kv_start: u32,
    pub mask: u32,
    pub window_left: u32,
    pub window_right: u32,
    pub chunk: u32,
    pub ranges: u32,
    pub mask_bits: u32,
    pub lse: u32,
    pub rope: u32,
    pub rope_keys: u32,
    pub rope_dim: u32,
    pub rope_first: u32,
    pub rope_positions: u32,
    pub rope_axes: u32,
    pub softcap: u32,
    pub sinks: u32,
    pub bias: u32,
    pub snippet_hash: u64,
    pub snippet: u32,
    pub intervals: u32,
    pub v_dtype: u32,
    pub scale_group: u32,
    pub v_source: u32,
    pub select: u32,
    pub prefixes: u32,
    pub scores: u32,
    pub members: u32,
    pub wide_dims: u32,
    pub second_page: u32,
    pub reserved: [u32; 47],
}
const _: () = assert!(std::mem::size_of::<fi_spec>() == 368);
const _: () = assert!(std::mem::align_of::<fi_spec>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_axis {
    pub struct_size: u32,
    pub offset: u32,
    pub name: *const c_char,
    pub key: *const c_char,
    pub meaning: *const c_char,
    pub values: *const u32,
    pub value_names: *const *const c_char,
    pub value_count: u32,
    pub minimum: u32,
    pub maximum: u32,
    pub default_value: u32,
    pub ops: u32,
    pub step: u32,
    pub last_step: u32,
    pub reserved: [u32; 5],
}
const _: () = assert!(std::mem::size_of::<fi_axis>() == 96);
const _: () = assert!(std::mem::align_of::<fi_axis>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_event {
    pub struct_size: u32,
    pub kind: u32,
    pub layer: u32,
    pub status: i32,
    pub milliseconds: f64,
    pub spec: *const c_char,
    pub target: *const c_char,
    pub key: *const c_char,
    pub message: *const c_char,
    pub unkept: u32,
    pub choice: u32,
    pub done: u32,
    pub count: u32,
    pub reserved: [u32; 4],
}
const _: () = assert!(std::mem::size_of::<fi_event>() == 88);
const _: () = assert!(std::mem::align_of::<fi_event>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_options {
    pub struct_size: u32,
    pub mode: u32,
    pub target: *const c_char,
    pub cache_dir: *const c_char,
    pub read_only_dirs: *const c_char,
    pub nvrtc: *const c_char,
    pub driver: *const c_char,
    pub cache_bytes: u64,
    pub on_event: fi_event_callback,
    pub user: *mut c_void,
    pub deadline_ms: u32,
    pub cache_shared: u32,
    pub bundles: *const c_char,
    pub bundle: *const c_void,
    pub bundle_bytes: u64,
    pub bundle_key: *const c_char,
    pub http_url: *const c_char,
    pub reserved: [u32; 4],
}
const _: () = assert!(std::mem::size_of::<fi_options>() == 136);
const _: () = assert!(std::mem::align_of::<fi_options>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_counters {
    pub struct_size: u32,
    pub kernels: u32,
    pub memory_hits: u64,
    pub read_only_hits: u64,
    pub user_hits: u64,
    pub compiles: u64,
    pub failures: u64,
    pub cache_problems: u64,
    pub compile_ms: f64,
    pub bundle_hits: u64,
    pub http_hits: u64,
    pub reserved: [u32; 12],
}
const _: () = assert!(std::mem::size_of::<fi_counters>() == 128);
const _: () = assert!(std::mem::align_of::<fi_counters>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_facts {
    pub struct_size: u32,
    pub layer: u32,
    pub registers: u32,
    pub static_shared: u32,
    pub dynamic_shared: u32,
    pub spill_bytes: u32,
    pub threads: u32,
    pub ctas_per_sm: u32,
    pub image_bytes: u32,
    pub source_lines: u32,
    pub compile_ms: f64,
    pub target: [c_char; 16],
    pub key: [c_char; 33],
    pub toolchain: [c_char; 64],
    pub choice: u32,
    pub kernels: u32,
    pub reserved: [u32; 13],
}
const _: () = assert!(std::mem::size_of::<fi_facts>() == 224);
const _: () = assert!(std::mem::align_of::<fi_facts>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_workspace {
    pub struct_size: u32,
    pub max_requests: u32,
    pub max_tokens: u32,
    pub max_kv_len: u32,
    pub kv_heads: u32,
    pub ctas: u32,
    pub bytes: u64,
    pub memory: *mut c_void,
    pub scratch_bytes: u64,
    pub scratch: *mut c_void,
    pub split_tokens: u32,
    pub max_selected: u32,
    pub max_q_len: u32,
    pub reserved: [u32; 23],
}
const _: () = assert!(std::mem::size_of::<fi_workspace>() == 160);
const _: () = assert!(std::mem::align_of::<fi_workspace>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_fault {
    pub kind: u32,
    pub request: u32,
    pub value: i64,
}
const _: () = assert!(std::mem::size_of::<fi_fault>() == 16);
const _: () = assert!(std::mem::align_of::<fi_fault>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_batch {
    pub struct_size: u32,
    pub requests: u32,
    pub q_indptr: *const i32,
    pub kv_len: *const i32,
    pub kv_indptr: *const i32,
    pub last_page_len: *const i32,
    pub kv_start: *const i32,
    pub page_table: *const c_void,
    pub page_table_stride: i64,
    pub ranges: *const i32,
    pub range_indptr: *const i32,
    pub mask_bits: *const u32,
    pub mask_offsets: *const i64,
    pub mask_stride: i64,
    pub page_count: u32,
    pub second_page_count: u32,
    pub selected_len: *const i32,
    pub second_page_table: *const c_void,
    pub second_page_table_stride: i64,
    pub second_kv_len: *const i32,
    pub shared: *const i32,
    pub reserved: [u32; 28],
}
const _: () = assert!(std::mem::size_of::<fi_batch>() == 264);
const _: () = assert!(std::mem::align_of::<fi_batch>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_kv {
    pub data: *mut c_void,
    pub page_stride: i64,
    pub token_stride: i64,
    pub head_stride: i64,
    pub scales: *mut c_void,
    pub scale: f32,
    pub unused: u32,
    pub scale_page_stride: i64,
    pub scale_token_stride: i64,
    pub scale_head_stride: i64,
    pub reserved: [u32; 6],
}
const _: () = assert!(std::mem::size_of::<fi_kv>() == 96);
const _: () = assert!(std::mem::align_of::<fi_kv>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_tensors {
    pub struct_size: u32,
    pub softmax_scale: f32,
    pub q: *const c_void,
    pub o: *mut c_void,
    pub lse: *mut f32,
    pub q_token_stride: i64,
    pub q_head_stride: i64,
    pub o_token_stride: i64,
    pub o_head_stride: i64,
    pub positions: *const i32,
    pub k: fi_kv,
    pub v: fi_kv,
    pub k_new: fi_kv,
    pub v_new: fi_kv,
    pub slots: *const c_void,
    pub parts_o: *const c_void,
    pub parts_lse: *const f32,
    pub parts: u32,
    pub tokens: u32,
    pub heads: u32,
    pub o_scale: f32,
    pub rope_table: *const u64,
    pub key_positions: *const i32,
    pub position_stride: i64,
    pub key_position_stride: i64,
    pub key_page_stride: i64,
    pub rope_magnitude: f32,
    pub softcap: f32,
    pub sinks: *const f32,
    pub slopes: *const f32,
    pub bias: *const c_void,
    pub bias_token_stride: i64,
    pub bias_head_stride: i64,
    pub bias_extent: u32,
    pub bias_first: i32,
    pub snippet_params: *const c_void,
    pub selected: *const i32,
    pub selected_token_stride: i64,
    pub selected_head_stride: i64,
    pub lists: *mut i32,
    pub weights: *const f32,
    pub weight_stride: i64,
    pub first_blocks: u32,
    pub last_blocks: u32,
    pub second_k: fi_kv,
    pub second_v: fi_kv,
    pub reserved: [u32; 40],
}
const _: () = assert!(std::mem::size_of::<fi_tensors>() == 1008);
const _: () = assert!(std::mem::align_of::<fi_tensors>() == 8);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct fi_rope {
    pub struct_size: u32,
    pub dim: u32,
    pub scaling: u32,
    pub no_truncation: u32,
    pub turning_pairs: u32,
    pub max_tokens: u32,
    pub theta: f64,
    pub factor: f64,
    pub context: f64,
    pub low_frequency: f64,
    pub high_frequency: f64,
    pub beta_fast: f64,
    pub beta_slow: f64,
    pub mscale: f64,
    pub mscale_all_dim: f64,
    pub attention_factor: f64,
    pub frequencies: *const f32,
    pub short_factors: *const f64,
    pub long_factors: *const f64,
    pub sections: [u32; 3],
    pub section_order: u32,
    pub reserved: [u32; 28],
}
const _: () = assert!(std::mem::size_of::<fi_rope>() == 256);
const _: () = assert!(std::mem::align_of::<fi_rope>() == 8);

extern "C" {
    pub fn fi_library_version(
    ) -> u32;
    pub fn fi_status_name(
        status: i32,
    ) -> *const c_char;
    pub fn fi_status_meaning(
        status: i32,
    ) -> *const c_char;
    pub fn fi_last_error(
    ) -> *const c_char;
    pub fn fi_spec_init(
        spec: *mut fi_spec,
    );
    pub fn fi_spec_supported(
        spec: *const fi_spec,
        target: *const c_char,
    ) -> i32;
    pub fn fi_spec_print(
        spec: *const fi_spec,
        text: *mut c_char,
        size: usize,
    ) -> i32;
    pub fn fi_spec_parse(
        text: *const c_char,
        spec: *mut fi_spec,
    ) -> i32;
    pub fn fi_register_snippet(
        text: *const c_char,
        hash: *mut u64,
    ) -> i32;
    pub fn fi_axis_describe(
        number: u32,
        axis: *mut fi_axis,
    ) -> i32;
    pub fn fi_spec_next(
        spec: *mut fi_spec,
    ) -> c_int;
    pub fn fi_ctx_create(
        options: *const fi_options,
        ctx: *mut *mut fi_ctx,
    ) -> i32;
    pub fn fi_ctx_set_mode(
        ctx: *mut fi_ctx,
        mode: u32,
    ) -> i32;
    pub fn fi_ctx_destroy(
        ctx: *mut fi_ctx,
    );
    pub fn fi_counters_read(
        ctx: *const fi_ctx,
        counters: *mut fi_counters,
    ) -> i32;
    pub fn fi_get_kernel(
        ctx: *mut fi_ctx,
        spec: *const fi_spec,
        kernel: *mut *mut fi_kernel,
    ) -> i32;
    pub fn fi_get_kernels(
        ctx: *mut fi_ctx,
        specs: *const fi_spec,
        count: u32,
        threads: u32,
        kernels: *mut *mut fi_kernel,
        statuses: *mut i32,
    ) -> i32;
    pub fn fi_precompile(
        ctx: *mut fi_ctx,
        spec: *const fi_spec,
        facts: *mut fi_facts,
    ) -> i32;
    pub fn fi_kernel_facts(
        kernel: *const fi_kernel,
        facts: *mut fi_facts,
    ) -> i32;
    pub fn fi_spec_member(
        spec: *const fi_spec,
        target: *const c_char,
        number: u32,
        member: *mut fi_spec,
    ) -> i32;
    pub fn fi_kernel_spec(
        kernel: *const fi_kernel,
        spec: *mut fi_spec,
    ) -> i32;
    pub fn fi_kernel_source(
        spec: *const fi_spec,
        target: *const c_char,
        source: *mut c_char,
        size: *mut usize,
    ) -> i32;
    pub fn fi_kernel_prepare(
        kernel: *mut fi_kernel,
    ) -> i32;
    pub fn fi_workspace_size(
        kernel: *const fi_kernel,
        workspace: *mut fi_workspace,
    ) -> i32;
    pub fn fi_plan(
        kernel: *mut fi_kernel,
        batch: *const fi_batch,
        workspace: *const fi_workspace,
        stream: *mut c_void,
    ) -> i32;
    pub fn fi_plan_all(
        kernels: *const *mut fi_kernel,
        batches: *const *const fi_batch,
        workspaces: *const *const fi_workspace,
        count: u32,
        stream: *mut c_void,
    ) -> i32;
    pub fn fi_run(
        kernel: *mut fi_kernel,
        tensors: *const fi_tensors,
        workspace: *const fi_workspace,
        stream: *mut c_void,
    ) -> i32;
    pub fn fi_rope_table(
        rope: *const fi_rope,
        table: *mut u64,
        magnitude: *mut f32,
    ) -> i32;
}
