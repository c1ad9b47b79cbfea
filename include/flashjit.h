/*
 * flashjit: attention kernels for LLM serving, generated and compiled at run time.
 *
 * A program does five things:
 *
 *   fi_ctx *ctx;                                    one per kind of GPU, shared by all threads
 *   fi_ctx_create(NULL, &ctx);                      NULL: options from FLASHJIT_* variables, then defaults
 *
 *   fi_spec spec;                                   what is fixed for one kind of layer
 *   fi_spec_init(&spec);                            bf16, causal, head dim 128, group 1, contiguous KV
 *   spec.group = 4;                                 32 query heads on 8 KV heads
 *   spec.page_size = 16;                            a paged cache with a dense page table
 *   fi_kernel *attention;
 *   fi_get_kernel(ctx, &spec, &attention);          compiles at first use (some seconds), later a look-up
 *
 *   fi_workspace workspace = {.struct_size = sizeof workspace, .max_requests = 64, .max_tokens = 64,
 *                             .max_kv_len = 8192, .kv_heads = 8, .max_q_len = 1};  decode; 0: any mix of lengths
 *   fi_workspace_size(attention, &workspace);       sets bytes and scratch_bytes
 *   workspace.memory = ...                          that much device memory, yours, 256-byte aligned: for the plan,
 *   workspace.scratch = ...                         and for partial results, where all plans of a stream may share it
 *
 *   fi_batch batch = {.struct_size = sizeof batch, .requests = 64, .kv_len = ..., .page_table = ...,
 *                     .page_table_stride = 512};  the pages of the longest request: 8192 tokens
 *   fi_plan(attention, &batch, &workspace, stream); once a step: splits the batch into work items, on the device
 *
 *   fi_tensors tensors = {.struct_size = sizeof tensors, .q = ..., .o = ..., .k.data = ..., .v.data = ...};
 *   fi_run(attention, &tensors, &workspace, stream);  once a layer: one launch
 *
 * Rules that hold everywhere:
 * - Every function that can fail returns an fi_status: FI_OK (zero) or a reason. fi_last_error() then has a sentence
 *   that names the field, its value and what is allowed, the compiler's log or the driver's error.
 * - Every struct that a call takes begins with struct_size, which the caller sets to sizeof, and ends in reserved
 * words, as do the records in it. Reserved words must be zero; zero in any other field is its documented default, where
 * it has one. {.struct_size = sizeof x} does all of it. Sizes and offsets never change within a SONAME. New fields are
 * taken from the reserved words, and their zero means what was done before. So a program runs with every later library
 * of the SONAME; an earlier one refuses, with FI_ERROR_ABI, a field that it does not know.
 * - All pointers inside fi_batch and fi_tensors are device pointers; shapes are written [slowest]...[fastest] and
 *   strides count elements. Memory stays the caller's; nothing is retained after the stream has passed the call.
 * - fi_plan and fi_run enqueue on the caller's stream (a CUstream or cudaStream_t of the current CUDA context, NULL for
 *   its default stream), never synchronise, and may be captured in a CUDA graph. A replay reads the lengths and page
 *   tables that are in device memory at that time.
 * - Several devices of one kind share a context and its kernels. A call is about the device whose CUDA context is
 *   current in the thread; stream, workspaces and tensors are that device's own.
 * - From compute capability 9.0 and driver 12.3 on, launches are programmatic dependent ones: one may begin while that
 *   in front of it in the stream ends, but it touches no memory and does not end before that one has ended. A kernel of
 *   the caller before or after one of these needs to know nothing of it, unless it is such a launch itself: then
 *   it must execute griddepcontrol.wait, in every CTA. Edges of captured graphs are programmatic ones, too. Beside
 *   each other run only the launches of one fi_run of a spec with rows 0, which have requests of their own.
 * - A context and its kernels may be used from any thread. After fork() a child must make its own context: calls on the
 *   parent's return FI_ERROR_FORKED.
 * - The library never prints, aborts or exits.
 */
#ifndef FLASHJIT_H
#define FLASHJIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define FLASHJIT_VERSION_MAJOR 0
#define FLASHJIT_VERSION_MINOR 1
#define FLASHJIT_VERSION_PATCH 0

/* The version of the library that is loaded: major * 1000000 + minor * 1000 + patch. */
uint32_t fi_library_version(void);

/* ------------------------------------------------------------------------------------------------ status */

typedef int32_t fi_status;

enum {
  FI_OK = 0,                /* done */
  FI_ERROR_ARGUMENT = 1,    /* a null pointer, a workspace too small, a misaligned pointer, a bad stride */
  FI_ERROR_SPEC = 2,        /* a field of the spec is out of its range */
  FI_ERROR_UNSUPPORTED = 3, /* every field is in range, but this combination or target has no kernel */
  FI_ERROR_NO_COMPILER = 4, /* libnvrtc cannot be opened, and no cache has the kernel, or one that the driver loads */
  FI_ERROR_NO_DRIVER = 5,   /* libcuda cannot be opened, or there is no device */
  FI_ERROR_OLD_DRIVER = 6,  /* the driver lacks a function that is needed */
  FI_ERROR_COMPILE = 7,     /* the compiler refused the source, or no tile of the spec will do */
  FI_ERROR_NOT_CACHED = 8,  /* the mode forbids compiling, and no cache has the kernel, or one that the driver loads; or
                               nothing can be kept (fi_precompile) */
  FI_ERROR_DEADLINE = 9,    /* the compile took longer than options.deadline_ms */
  FI_ERROR_DRIVER = 10,     /* a driver call failed, or no CUDA context is current */
  FI_ERROR_MEMORY = 11,     /* the host is out of memory */
  FI_ERROR_FORKED = 12,     /* the context was made before fork() */
  FI_ERROR_CAPTURE = 13,    /* the stream is being captured, and the kernel is not prepared on this device */
  FI_ERROR_ABI = 14 /* struct_size is not sizeof the struct, or a reserved word is not zero: a newer header than the
                       library, or a struct not cleared */
};

/* "FI_ERROR_SPEC" and so on, and what stands beside it above; "unknown status" for other values. Static text. */
const char *fi_status_name(fi_status status);
const char *fi_status_meaning(fi_status status);

/* What went wrong in this thread's last failing call; "" if none. Valid until this thread's next call. */
const char *fi_last_error(void);

/* ------------------------------------------------------------------------------------------------ spec */

/* What the kernel does. Each op reads only the axes that concern it; the others are ignored. */
enum {
  FI_OP_ATTENTION = 0, /* softmax(scale Q K^T + mask) V over a KV cache */
  FI_OP_APPEND = 1,    /* write new K and V rows into the cache, rotating and quantising on the way */
  FI_OP_MERGE = 2,     /* merge partial attention states (O, LSE) of the same queries */
  FI_OP_PLAN = 3,      /* the kernel behind fi_plan; named so that it can be precompiled */
  FI_OP_INDEXER = 4    /* choose the blocks of KV that query tokens see: makes the lists of spec.select */
};

/* The main loop: mma.sync anywhere; on sm_90a wgmma with tensor maps, for 64, 128 or 192 rows. */
enum { FI_FAMILY_AUTO = 0, FI_FAMILY_MMA = 1, FI_FAMILY_WGMMA = 2 };

/* FI_E4M3 is the kind without infinities, whose largest number is 448 (float8_e4m3fn). FI_E5M2 has infinities. FI_I8
 * is a whole number from -128 to 127, of which append writes -127 to 127. FI_I4 is one from -8 to 7, FI_NVFP4 e2m1: 0,
 * 0.5, 1, 1.5, 2, 3, 4 or 6 with a sign. Of these two a byte has two elements, the first in its lower half, and each
 * spec.scale_group elements have a scale. Where Q is FI_E4M3 too wgmma rounds exp(s) to it, as sm_89 and sm_120 do. */
enum { FI_DTYPE_DEFAULT = 0, FI_F16 = 1, FI_BF16 = 2, FI_E4M3 = 3, FI_E5M2 = 4, FI_F32 = 5, FI_I8 = 6 };
enum { FI_I4 = 7, FI_NVFP4 = 8 }; /* of K and V */

/* Stored KV values are worth value * scale. Scales are floats in device memory, separate ones for K and for V: one, one
 * a KV head, or one a token and KV head, which append makes: the largest magnitude of the row, rounded to q_dtype (an
 * infinite one to its largest number), / 127. Then a value is the element / scale, rounded to nearest even; NaN is 0.
 * To append the row that is stored again, in q_dtype, changes no bit of it, unless q_dtype has it as subnormals. */
enum { FI_SCALE_NONE = 0, FI_SCALE_TENSOR = 1, FI_SCALE_HEAD = 2, FI_SCALE_TOKEN = 3 };
enum { FI_SCALE_GROUP = 4, FI_SCALE_E8M0 = 5 }; /* of latents in e4m3, one for each group of elements */

/* With these two K, which has V in it, is e4m3 but for its last wide_dims dims, which have q_dtype and rows of their
 * own, at fi_tensors.v and v_new; k and k_new are the others. Each scale_group of these (0: 128; 64) has a scale at
 * k.scales, where rows are filled up to words of 4 bytes: a float, or a byte b that is 2^(b - 127), 255 NaN. An element
 * is worth element * scale, which attention rounds to q_dtype; k.scale is 0. Append writes as a scale the largest
 * magnitude of a group / 448, at least 2^-126, of bytes the least power of two that is not less, and elements / scale,
 * rounded to nearest even. An infinity counts there as the largest float and becomes 448; NaN counts not, and stays.
 * So are vLLM's "fp8_ds_mla" tokens of 656 bytes (FlashMLA, "FP8 KV cache": 512 e4m3, 4 floats, 64 bf16): head_dim 576,
 * v_dim 512, GROUP; k.token_stride 656, v.data at byte 528 with stride 328, k.scales at byte 512 with stride 164. And
 * those of DeepSeek-V4, 584 bytes: a page of n tokens has n times 448 e4m3 and 64 bf16, then n times 8 bytes, of which
 * 7 are scales: head_dim 512, E8M0; k.token_stride 576, v.data at byte 448 with stride 288, k.scales at byte 576 n with
 * stride 8. Page strides are the bytes of a page, which is filled up to a multiple of 576, in elements of each. */

/* Scales of groups lie as rows do, of head_dim / scale_group or v_dim / scale_group scales: f16 for FI_I4, e4m3 for
 * FI_NVFP4. An element is worth element * scale * fi_kv.scale; attention rounds element * scale to f16 for FI_I4, and
 * has that of FI_NVFP4 exactly. Scales are finite, those of KV that no query token sees, too.
 * Append divides elements by scale * h, where h is fi_kv.scale, and rounds to nearest even; what is too large becomes
 * the largest, and NaN 0. The scales that it writes are, of FI_I4, the element of largest magnitude (of two the
 * negative one) / -8 / h, rounded to 7 significant bits, half away from 0, at most 8128 of either sign, and 2^-14 where
 * it has less, so that element * scale is an f16 number; of FI_NVFP4 the largest magnitude / 6 / h, from 2^-6 to 448,
 * rounded to nearest even. To append what is stored again changes no bit here, too. */

/* How a request finds its KV.
 *                 page_size == 0                            page_size > 0
 * FI_INDEX_DENSE  request r at k_cache + r * page stride    page_table[r][i], one row of page_table_stride a request
 * FI_INDEX_CSR    tokens kv_indptr[r] .. kv_indptr[r + 1]   page_table[kv_indptr[r] + i], all requests in one list
 * The upper row is a contiguous cache, the lower left one ragged tensors. */
enum { FI_INDEX_DENSE = 0, FI_INDEX_CSR = 1 };

/* The type of the page ids in page_table. An id fits 31 bits in either. */
enum { FI_IDS_INT32 = 0, FI_IDS_INT64 = 1 };

/* Where an append kernel writes a token: at the end of its request's KV, by the plan in the workspace; or at
 * fi_tensors.slots[token], without a plan and a workspace. Slot s is token s % page_size of page s / page_size; without
 * pages row s of the cache. A negative slot is skipped. Page and row fit 31 bits. */
enum { FI_SLOTS_NONE = 0, FI_SLOTS_INT32 = 1, FI_SLOTS_INT64 = 2 };

/* The log-sum-exp of a row's logits: none, to base e, or to base 2. Those that merge reads have its base. */
enum { FI_LSE_NONE = 0, FI_LSE_NATURAL = 1, FI_LSE_BASE2 = 2 };

/* Which of the rope_dim dims from rope_first on form a rotated pair: (i, i + rope_dim / 2), or (2 i, 2 i + 1). Other
 * dims are left alone. By which angles pairs turn fi_tensors.rope_table says. */
enum { FI_ROPE_NONE = 0, FI_ROPE_HALF = 1, FI_ROPE_INTERLEAVED = 2 };

/* Where K is rotated: when it is appended (it is stored rotated), or inside attention (it is stored as it came). */
enum { FI_KEYS_ROTATED = 0, FI_KEYS_UNROTATED = 1 };

/* Where V of a token and head is. FI_V_KEYS: the first v_dim elements of its K, as they are stored. So is the latent of
 * multi-head latent attention (arXiv 2405.04434, 2.1) with its up-projections absorbed into Q and O: head_dim = latent
 * + rotated dims, v_dim = latent, rope_first = latent, one KV head whose group is all query heads of the rank. Then
 * fi_tensors.v and v_new are not read, V has the scales of K, and append writes K alone. kv_dtype has 16 or 8 bits. */
enum { FI_V_OWN = 0, FI_V_KEYS = 1 };

/* The position of query token i of a request: kv_len - q_len + i, or that in fi_tensors.positions. That of a key that
 * attention rotates is its index in the KV, or with the array that in fi_tensors.key_positions, if there is one. */
enum { FI_POSITIONS_KV_OFFSET = 0, FI_POSITIONS_ARRAY = 1 };

enum { FI_MASK_CAUSAL = 0, FI_MASK_NONE = 1 };

/*
 * Which KV tokens a query token sees. Its place p is its index in the KV of its request, kv_len - q_len + i. It sees
 * token t of 0 <= t < kv_len if all of these hold:
 *   mask           t <= p                                                   FI_MASK_CAUSAL
 *   kv_start       t >= start
 *   window_left    t > p - window_left: with 128 tokens the token itself and 127 before it, as sliding_window of models
 *   window_right   t < p + window_right: 1 is the token itself and none after it
 *   chunk          t and p lie in the same chunk: p >= start and (t - start) / chunk == (p - start) / chunk
 * or if p and t lie in one range of fi_batch.ranges (and t >= start): image blocks and prefixes, whose tokens see each
 * other both ways. A number of 0 is no window and no chunk. With mask_bits it sees of these tokens only those whose bit
 * is set, as of trees. Of KV that no query token sees but for its bits nothing is read: its pages may have any ids. */

/*
 * With spec.select each query token has lists of blocks of that many tokens, of all KV heads or of each. Of what the
 * mask lets it see, it sees the tokens of listed blocks, once for each time that a block is listed: block b is select
 * tokens from token b * select on of the KV of its request, paged or not; -1 is none. A block that the KV does not have
 * is not read, and told as FI_FAULT_SELECTED. Lists are a launch's, their lengths a plan's. Slots of a cache without
 * pages are tokens of one request that has all of it as its KV, with FI_MASK_NONE. With spec.second_page lists are of a
 * second KV, with a page table and lengths of its own. In one softmax a query token sees what the mask lets it see of
 * the first, and the listed tokens of the second, which no mask hides (DeepSeek-V4: a window, and compressed entries).
 * Types, scales of all tokens or of a head, and those on the host are the first's. */

/*
 * FI_OP_INDEXER chooses blocks of spec.select tokens (0: 1) by the largest score of their tokens that a query token
 * sees (FI_MASK_CAUSAL), with keys of its own in pages as those of KV. SUM: the sum over the heads of a group of
 * fi_tensors.weights[i][head] * max(0, q . k), a list for each KV head (DeepSeek-V3.2, arXiv 2512.02556, 2.1: a group
 * of 64 on one key). HEADS: q . k, a list for each query head (MiniMax-M3: 4 heads, blocks of 128). Scores are scaled
 * by nothing but FI_SCALE_TOKEN of FI_E4M3, keys that no append kernel writes. A q . k that is NaN counts as 0 in SUM,
 * a score that is NaN as -infinity, and of equal scores the first is better. A list has the best max_selected blocks in
 * rising order, or all that there are, then -1, the same in every run. Query tokens that see nothing, and those of
 * nobody before the first request's, get lists of -1.
 * It reads the plan as append does, and all KV up to a query token, with ids of pages that are right: no plan is for it
 * of attention with windows, chunk, ranges, kv_start or mask_bits, which need not have those of what is not seen. */
enum { FI_SCORES_SUM = 0, FI_SCORES_HEADS = 1 };

/*
 * What is added to the scaled, capped score of query token i (of Q), at place p of its request's KV, on KV token t, in
 * natural-logarithm units. SLOPES: slopes[head] * (t - p), float (ALiBi: arXiv 2108.12409). DISTANCE: float
 * bias[head][p - t - bias_first], 0 where that index is not 0 to bias_extent - 1; a causal model has bias_first 0, an
 * encoder of n tokens 1 - n and bias_extent 2 n - 1; the caller spreads buckets (T5). TOKEN_DISTANCE:
 * bias[i][head][p - t] of q_dtype, likewise. DENSE: bias[i][head][t], f16, read up to the last t that the mask lets i
 * see; where it is -infinity, t is not seen, whatever its K and V are. */
enum { FI_BIAS_NONE = 0, FI_BIAS_SLOPES = 1, FI_BIAS_DISTANCE = 2, FI_BIAS_TOKEN_DISTANCE = 3, FI_BIAS_DENSE = 4 };

/*
 * A snippet is C text of the caller's with a function of one score; README.md has an example. It is given
 *   struct fi_score { float score; int query, kv, head, request; };
 * the scaled, capped and biased score in natural-logarithm units, the indexes of query token (the place p above, below
 * 0 where q_len exceeds kv_len) and KV token in the KV of their request, the query head, and the request; and
 * fi_tensors.snippet_params. The function must give the same for the same.
 * LOGIT calls `float logit(struct fi_score, const void *)` for what takes the score's place; -infinity hides the KV
 * token. WEIGHT calls `weight`, likewise, for what V is multiplied with, rounded to f16 (at most 65504) or bf16, in
 * place of exp(score): O is the plain sum, not divided by anything, without sinks, LSE and FI_SCALE_TOKEN; 0 hides the
 * KV token. What is hidden counts for nothing, whatever its V is. Neither is called for tokens that the mask hides (for
 * those of mask_bits it may be, in vain) or where the score is -infinity. */
enum { FI_SNIPPET_NONE = 0, FI_SNIPPET_LOGIT = 1, FI_SNIPPET_WEIGHT = 2 };

/* All compile-time choices of one kernel. fi_spec_init fills it, whatever it held; every zero is the default. */
typedef struct fi_spec {
  uint32_t struct_size;
  uint32_t op;
  uint32_t family;    /* 0: the best for op and target */
  uint32_t head_dim;  /* of Q and K: a multiple of 8 from 32 to 256, or 512; with FI_V_KEYS up to 576; 0: 128 */
  uint32_t v_dim;     /* of V and O: a multiple of 8 from 32 to 256, or 512; 0: head_dim */
  uint32_t group;     /* query heads per KV head, 1..128; 0: 1 */
  uint32_t rows;      /* of a tile, 16 32 64 128. rows = query length x group; any query length is right with any
                         value. A tile that does not fit the target is made smaller. 0: several kernels, for any mix
                         of lengths (fi_spec_member, fi_workspace.max_q_len); with select one */
  uint32_t q_dtype;   /* FI_F16, FI_BF16, of attention FI_E4M3 (README: small weights); of Q, new K, V; 0: BF16 */
  uint32_t kv_dtype;  /* FI_F16, FI_BF16, FI_E4M3, FI_E5M2, FI_I8, FI_I4, FI_NVFP4; 0: as q_dtype */
  uint32_t o_dtype;   /* FI_F32 or as q_dtype (0), with FI_E4M3 FI_F16 or FI_BF16 (0); of what merge reads, too */
  uint32_t kv_scale;  /* for 8-bit kv_dtype only; FI_SCALE_TOKEN for FI_I8, and FI_E4M3 of an indexer; groups: E4M3 */
  uint32_t page_size; /* tokens of a page, 1..16384; 0: not paged */
  uint32_t slots;     /* of append */
  uint32_t page_ids;
  uint32_t index;
  uint32_t kv_start; /* 1: the KV of a request is seen from fi_batch.kv_start on (left padding) */
  uint32_t mask;
  uint32_t window_left;  /* see "Which KV tokens a query token sees" */
  uint32_t window_right; /* for FI_MASK_NONE */
  uint32_t chunk;
  uint32_t ranges;    /* 1: of fi_batch.ranges, too */
  uint32_t mask_bits; /* 1: of these tokens those that fi_batch.mask_bits says */
  uint32_t lse;       /* write the log-sum-exp of each row too: FI_LSE_ */
  uint32_t rope;      /* rotate Q inside attention, K inside append */
  uint32_t rope_keys;
  uint32_t rope_dim;   /* even, 2 to head_dim; 0: head_dim */
  uint32_t rope_first; /* the first rotated dim, even: head_dim - rope_dim for the last ones of the head */
  uint32_t rope_positions;
  uint32_t rope_axes;    /* with FI_POSITIONS_ARRAY: positions of a token, 1 or 3 (time, height, width); 0: 1 */
  uint32_t softcap;      /* 1: a scaled score x becomes c * tanh(x / c), where c is fi_tensors.softcap */
  uint32_t sinks;        /* 1: the softmax of a row has one more logit, of its head, without a V: fi_tensors.sinks */
  uint32_t bias;         /* added to scaled, capped scores: FI_BIAS_ */
  uint64_t snippet_hash; /* of the text that the next field is about, as fi_register_snippet gives it */
  uint32_t snippet;      /* what a text of the caller's computes of a score: FI_SNIPPET_ */
  uint32_t intervals;    /* of FI_OP_PLAN: 1: plans of windows, chunks, ranges and starts, too; 2: of lists */
  uint32_t v_dtype;      /* as kv_dtype, or FI_I4 or FI_NVFP4 beside 8-bit K; 0: as kv_dtype */
  uint32_t scale_group;  /* elements with one scale: 16, 32 or 64 of FI_I4, 16 of FI_NVFP4; 0: 32; 16 of FI_NVFP4 */
  uint32_t v_source;     /* FI_V_: a tensor of its own, or the first v_dim elements of K; 0: FI_V_OWN */
  uint32_t select;       /* tokens of a block that lists name, 1..16384: 1 lists tokens; 0: no lists, of an indexer 1 */
  uint32_t prefixes;     /* of shared pages: 1: fi_plan looks for them; 2: batch.shared tells of them; 0: none */
  uint32_t scores;       /* of FI_OP_INDEXER: FI_SCORES_ */
  uint32_t members;      /* of FI_OP_PLAN: 1: plans of tiles of 64 rows and more, too; 2: of kernels of several rows */
  uint32_t wide_dims;    /* the last dims of K, of 16 bits, of FI_SCALE_GROUP and _E8M0: multiples of 8; 0: 64 */
  uint32_t second_page;  /* tokens of a page of the second KV, 1..16384, which lists are of; 0: there is none */
  uint32_t reserved[47];
} fi_spec;

void fi_spec_init(fi_spec *spec);

/*
 * Whether the spec has a kernel for a target ("sm_80" ... "sm_120a", "compute_90a"; NULL: for any), without compiling
 * and without a GPU. FI_ERROR_SPEC or FI_ERROR_UNSUPPORTED comes with the reason in fi_last_error(). */
fi_status fi_spec_supported(const fi_spec *spec, const char *target);

/*
 * The canonical text of a spec: the op, then every axis that the op reads and that differs from its default, for
 * example "attention hd=64 group=4 kv=e4m3 page=16". Equal kernels have equal texts, of at most FI_SPEC_TEXT_SIZE. */
enum { FI_SPEC_TEXT_SIZE = 1024 };
fi_status fi_spec_print(const fi_spec *spec, char *text, size_t size);

/* The inverse; axes in any order, or left out. A snippet is snippet=logit:0123456789abcdef; its hash may be left out */
fi_status fi_spec_parse(const char *text, fi_spec *spec);

/*
 * Keeps a copy of the text of a snippet for all contexts of the process and gives its hash, XXH3-64. Any thread may
 * call it, and again. Every process registers the texts of its kernels, of those in the cache too: the key of a kernel
 * is its source, and a hash of which it has no text is FI_ERROR_SPEC. A text reads no files: the word #include is
 * refused anywhere in it. A mistake in line 3 is FI_ERROR_COMPILE of the call that compiles it: "snippet(3): .." */
enum { FI_SNIPPET_SIZE = 1048576 }; /* bytes that a text may have */
fi_status fi_register_snippet(const char *text, uint64_t *hash);

/* One axis of the spec, for programs that list the choices: fi_axis_describe(0), (1), ... until it is not FI_OK. */
typedef struct fi_axis {
  uint32_t struct_size;
  uint32_t offset;  /* of the field inside fi_spec */
  const char *name; /* the field: "head_dim" */
  const char *key;  /* its name in texts: "hd" */
  const char *meaning;
  const uint32_t *values;         /* those that are listed; NULL: multiples of step from minimum on */
  const char *const *value_names; /* names of the values; NULL: they are numbers */
  uint32_t value_count;           /* of values[] */
  uint32_t minimum;               /* smallest and largest value */
  uint32_t maximum;
  uint32_t default_value; /* after fi_spec_init */
  uint32_t ops;           /* bit 1 << op is set when the op reads this axis */
  uint32_t step;          /* without a list: multiples of it, up to last_step, are values; 0: there is a list */
  uint32_t last_step;     /* what is between it and the maximum is no value */
  uint32_t reserved[5];
} fi_axis;

fi_status fi_axis_describe(uint32_t number, fi_axis *axis);

/*
 * Steps through every supported spec of an op over the listed values of each axis (open ranges through a few samples):
 * set spec->op and call until it returns 0. Start from fi_spec_init; the spec is the iterator's whole state. */
int fi_spec_next(fi_spec *spec);

/* ------------------------------------------------------------------------------------------------ context */

typedef struct fi_ctx fi_ctx;
typedef struct fi_kernel fi_kernel;

enum {
  FI_MODE_DEFAULT = 0,
  FI_MODE_ON = 1,         /* may compile (the default) */
  FI_MODE_LOAD_ONLY = 2,  /* the disk cache must have the kernel */
  FI_MODE_MEMORY_ONLY = 3 /* only what this context already holds */
};

/* Where a kernel came from. */
enum {
  FI_LAYER_MEMORY = 0,
  FI_LAYER_READ_ONLY = 1, /* a read-only cache directory */
  FI_LAYER_USER = 2,      /* the user's cache directory */
  FI_LAYER_COMPILED = 3,
  FI_LAYER_BUNDLE = 4, /* a bundle */
  FI_LAYER_HTTP = 5    /* the server that http_url names */
};

enum {
  FI_EVENT_COMPILE_BEGIN = 1,
  FI_EVENT_COMPILE_END = 2,
  FI_EVENT_LOADED = 3,        /* a kernel became usable */
  FI_EVENT_CACHE_PROBLEM = 4, /* the cache could not be read or written, or the driver refused an image; where the
                                 mode allows compiling it costs a compile at most */
  FI_EVENT_PROGRESS = 5       /* fi_get_kernels has settled one more spec */
};

typedef struct fi_event {
  uint32_t struct_size;
  uint32_t kind;
  uint32_t layer;      /* FI_LAYER_*, of LOADED */
  fi_status status;    /* of COMPILE_END and PROGRESS */
  double milliseconds; /* of COMPILE_END and LOADED */
  const char *spec;    /* canonical text */
  const char *target;
  const char *key;     /* 32 hex digits */
  const char *message; /* why, for FI_EVENT_CACHE_PROBLEM and failures; else "" */
  uint32_t unkept;     /* of CACHE_PROBLEM: 1 in fi_ctx_create when nothing can be kept: there is no usable cache_dir */
  uint32_t choice;     /* of COMPILE_*: which tile of the spec it is; 1 and on when those before it spill */
  uint32_t done;       /* of PROGRESS: specs that are settled, */
  uint32_t count;      /* of how many */
  uint32_t reserved[4];
} fi_event;

/*
 * Called in the thread that compiles or loads, possibly from several at once: that of the call, or one of the library's
 * own while the call waits for it, so the caller must hold no lock that is taken here. Strings live for the call only.
 * It must not call fi_get_kernel for a kernel that is being made: the call would wait for itself. */
typedef void (*fi_event_callback)(void *user, const fi_event *event);

/* Every NULL or zero is taken from the environment variable in brackets, else from the default. */
typedef struct fi_options {
  uint32_t struct_size;
  uint32_t mode;              /* [FLASHJIT_MODE: on, load_only, memory_only] */
  const char *target;         /* [FLASHJIT_TARGET] default: that of the current device */
  const char *cache_dir;      /* [FLASHJIT_CACHE_DIR] "": none; default: $XDG_CACHE_HOME/flashjit, ~/.cache/flashjit */
  const char *read_only_dirs; /* [FLASHJIT_CACHE_RO] colon-separated, searched before cache_dir */
  const char *nvrtc;          /* [FLASHJIT_NVRTC] path of libnvrtc; default: libnvrtc.so.13, .so.12 */
  const char *driver;         /* [FLASHJIT_DRIVER] path of libcuda, or "sim": the simulator; default: libcuda.so.1 */
  uint64_t cache_bytes;       /* [FLASHJIT_CACHE_BYTES] default: 1 GiB */
  fi_event_callback on_event;
  void *user;
  uint32_t deadline_ms;   /* [FLASHJIT_DEADLINE_MS] of one compile; default: none */
  uint32_t cache_shared;  /* [FLASHJIT_CACHE_SHARED] 1: other users may read what is written to cache_dir */
  const char *bundles;    /* [FLASHJIT_BUNDLES] files that flashjit bundle has made, colon-separated, searched first */
  const void *bundle;     /* one in memory, searched before them: the caller's, unchanged as long as the context */
  uint64_t bundle_bytes;  /* its size */
  const char *bundle_key; /* [FLASHJIT_BUNDLE_KEY] Ed25519 public key, 64 hex digits: bundles that are not signed by its
                             owner, or cannot be checked (by libcrypto), are not used. NULL: any that are undamaged */
  const char *http_url;   /* [FLASHJIT_HTTP_URL] "http://..." or "https://...": where machines share kernels, searched
                             before one is compiled, and given what is; not with bundle_key. "": none; default: none */
  uint32_t reserved[4];
} fi_options;

/* Makes a context. Opens neither the driver nor the compiler yet; needs no GPU. options may be NULL. */
fi_status fi_ctx_create(const fi_options *options, fi_ctx **ctx);

/*
 * From now on the context is in this mode (FI_MODE_ON, _LOAD_ONLY or _MEMORY_ONLY), for a server that must not compile
 * after warm-up. Any thread may call it; a kernel that is being made at that time may still be compiled. */
fi_status fi_ctx_set_mode(fi_ctx *ctx, uint32_t mode);

/* Frees the context and unloads its kernels: none may be running, or be in a graph to be replayed. NULL is ignored. */
void fi_ctx_destroy(fi_ctx *ctx);

/* What happened in this context so far. */
typedef struct fi_counters {
  uint32_t struct_size;
  uint32_t kernels;     /* now loaded */
  uint64_t memory_hits; /* calls answered from the table; counted only for ready kernels */
  uint64_t read_only_hits;
  uint64_t user_hits;
  uint64_t compiles;
  uint64_t failures;
  uint64_t cache_problems;
  double compile_ms;
  uint64_t bundle_hits;
  uint64_t http_hits;
  uint32_t reserved[12];
} fi_counters;

fi_status fi_counters_read(const fi_ctx *ctx, fi_counters *counters);

/* ------------------------------------------------------------------------------------------------ kernels */

/*
 * The kernel of a spec, ready to launch on the current device: checked, rendered, found in the cache or compiled,
 * loaded. A second call with an equal spec is a table look-up; if another device is current then, fi_kernel_prepare
 * makes the kernel ready there. The handle belongs to the context and lives as long as it. Concurrent calls for one
 * spec compile once, also across processes that share a cache directory. Kernels that belong together, such as that of
 * fi_plan, are made at once on threads of the library's own, which end before the call does.
 * Any status but FI_ERROR_CAPTURE is possible. A compile that failed (FI_ERROR_COMPILE, FI_ERROR_DEADLINE), or whose
 * image the driver refuses, is not tried again in this context; after any other failure the next call tries again. */
fi_status fi_get_kernel(fi_ctx *ctx, const fi_spec *spec, fi_kernel **kernel);

/*
 * The kernels of many specs, obtained at once on threads of the library's own, which end before the call does: what
 * fi_get_kernel(ctx, &specs[i], &kernels[i]) does for each i below count, in the caller's CUDA context. threads is how
 * many; 0: as many as there are cores. statuses, which may be NULL, gets one status per spec; a kernel whose status is
 * not FI_OK is NULL. Returns the first failure in the order of the specs, with its number in fi_last_error().
 * FI_EVENT_PROGRESS tells each spec that is settled, one after the other. */
fi_status fi_get_kernels(fi_ctx *ctx, const fi_spec *specs, uint32_t count, uint32_t threads, fi_kernel **kernels,
                         fi_status *statuses);

/*
 * Compiles a spec into the cache without loading it: needs no GPU. What is cached already is left alone.
 * FI_ERROR_NOT_CACHED when nothing can be kept: no cache directory, or it cannot be written. The facts are those of the
 * compile even so. Whatever fails after the spec was found right, they have target, key and source_lines. In
 * FI_MODE_LOAD_ONLY it only looks: FI_OK when the cache has the kernel. */
typedef struct fi_facts fi_facts;
fi_status fi_precompile(fi_ctx *ctx, const fi_spec *spec, fi_facts *facts);

struct fi_facts {
  uint32_t struct_size;
  uint32_t layer;          /* FI_LAYER_*: where it came from */
  uint32_t registers;      /* per thread */
  uint32_t static_shared;  /* bytes */
  uint32_t dynamic_shared; /* bytes */
  uint32_t spill_bytes;    /* 0, unless every tile of the spec spills: the fewest bytes */
  uint32_t threads;        /* of a CTA */
  uint32_t ctas_per_sm;    /* that the kernel was shaped for */
  uint32_t image_bytes;    /* of the cubin or PTX */
  uint32_t source_lines;
  double compile_ms;  /* 0 when it came from a cache */
  char target[16];    /* "sm_90a" */
  char key[33];       /* of the cache entry, hex */
  char toolchain[64]; /* the compiler that made it */
  uint32_t choice;    /* which tile of the spec it is; 0: the preferred one */
  uint32_t kernels;   /* that the spec has, see fi_spec_member; the facts are those of the first */
  uint32_t reserved[13];
};

fi_status fi_kernel_facts(const fi_kernel *kernel, fi_facts *facts);

/* The kernels that a spec with rows 0 stands for on a target (NULL: any), the fewest rows first: number 0, 1, ... until
 * it is not FI_OK. Others stand for themselves. Facts and source of a spec are those of number 0. */
fi_status fi_spec_member(const fi_spec *spec, const char *target, uint32_t number, fi_spec *member);
/* The spec of a kernel with every default filled in; rows stay 0. */
fi_status fi_kernel_spec(const fi_kernel *kernel, fi_spec *spec);

/*
 * The CUDA C++ text of a spec for a target (NULL: "sm_90a"). *size is the room in source and becomes the bytes needed,
 * with the closing zero; source may be NULL to ask. Needs neither compiler nor GPU. */
fi_status fi_kernel_source(const fi_spec *spec, const char *target, char *source, size_t *size);

/* Loads the code of the kernel (with rows 0 of all its kernels) and of its fi_plan on the current device, as
 * fi_get_kernel has done on the one that was current then. On another the first launch does it, too, but cannot while
 * its stream is captured: FI_ERROR_CAPTURE. FI_ERROR_UNSUPPORTED on another kind of device, which needs a context. */
fi_status fi_kernel_prepare(fi_kernel *kernel);

/* ------------------------------------------------------------------------------------------------ plan and run */

/*
 * The bounds of a batch, and the device memory that a plan and the partial results live in. The launch shapes depend on
 * these numbers and the spec. From fi_plan to a step's last fi_run memory is one stream's, and nothing else writes it.
 *
 * Lengths are known on the device only. Those that are not within the bounds are cut to them, and told by the fi_fault
 * that memory begins with:
 * - Of a longer KV only the first max_kv_len tokens are seen, and the query tokens count as the last of these: the
 *   causal mask and positions from KV lengths shift, and append writes there. A negative length counts as 0.
 * - Query tokens from number max_tokens on are left out: their rows of O and LSE are not written, nor are their K and V
 *   appended. What is left of a request that is cut in this way counts as the last tokens of its KV.
 * So the results of these requests are wrong; those of the others are not affected. */
typedef struct fi_workspace {
  uint32_t struct_size;
  uint32_t max_requests;
  uint32_t max_tokens;    /* query tokens of one step, all requests together (decode: as many as requests) */
  uint32_t max_kv_len;    /* tokens of the longest KV (the first) */
  uint32_t kv_heads;      /* KV heads on this device; query heads are kv_heads * group */
  uint32_t ctas;          /* CTAs of each launch; 0: as many of its kernel as the device holds at once */
  uint64_t bytes;         /* of memory */
  void *memory;           /* the plan's device memory, 256-byte aligned; its contents need no preparation */
  uint64_t scratch_bytes; /* of scratch; 0 where the kernel needs none */
  void *scratch;          /* device memory for partial results, 256-byte aligned, whose contents matter during a launch
                             only: all plans whose launches follow each other in a stream may share it */
  uint32_t split_tokens;  /* 0: an even share of the batch for each CTA. Else a tile's KV is cut into pieces of so many
                             tokens (a multiple of 256), so that a request's result does not depend on the rest of the
                             batch; with spec.prefixes as long as all of Q is finite */
  uint32_t max_selected;  /* for spec.select: entries of the longest list, 1 and more */
  uint32_t max_q_len;     /* for spec.rows 0: query tokens of the longest request, which say what is launched: 1 where
                             all decode (with spec.prefixes two kernels); a longer one is right, and slow. 0: what one
                             each leaves of max_tokens */
  uint32_t reserved[23];
} fi_workspace;

enum {
  FI_FAULT_NONE = 0,
  FI_FAULT_Q_INDPTR = 1, /* q_indptr is negative or falls; value: the number. Nothing is planned: launches do nothing */
  FI_FAULT_TOKENS = 2,   /* q_indptr goes beyond max_tokens; value: the number */
  FI_FAULT_KV_LEN = 3,   /* a KV length is negative, beyond max_kv_len, or beyond what kv_indptr or a row of the page
                            table has of the request; value: the length */
  FI_FAULT_KV_START = 4, /* kv_start is negative or beyond the KV length; value: the number */
  FI_FAULT_PAGE = 5,     /* a page id is not below page_count; value: the id. The request counts as one without KV */
  FI_FAULT_PLAN = 6,     /* a launch found no plan, or one of other bounds or kernels, and did nothing; value: what */
  FI_FAULT_LAST_PAGE = 7, /* last_page_len is not 1 to page_size for a request with pages; value: the number */
  FI_FAULT_RANGE = 8,     /* a range is empty, negative or not after the one before it; value: its number among all */
  FI_FAULT_SELECTED_LEN = 9, /* selected_len is not 0 to max_selected, to which it is cut; value: the length */
  FI_FAULT_SELECTED = 10,    /* fi_run met a block of a list that is neither -1 nor one of the KV, after a plan
                                without a fault; request: the number of the query token; value: the block */
  FI_FAULT_SECOND_LEN = 11,  /* second_kv_len is negative, or beyond a row of its page table; value: the length */
  FI_FAULT_ORDER = 12,       /* an entry of shared names no request, or one twice; request: its number among entries;
                                value: what it names. Nothing is shared. Told, as the next, if nothing else is wrong */
  FI_FAULT_SHARED = 13,      /* its tokens are negative, more than there are, or the last page that both could share is
                                not the same; value: they. It shares nothing with those before it */
  FI_FAULT_SECOND_PAGE = 14  /* of the second KV an id is not below second_page_count; value: it. It counts as empty */
};

/*
 * What was wrong with a batch: the first request for which something was, and what. workspace.memory begins with one,
 * on the device: fi_plan writes it, and fi_run when it finds no plan that is its own. Callers who want to know copy it
 * to the host when the stream has passed, once a step or once in a while. */
typedef struct fi_fault {
  uint32_t kind;
  uint32_t request;
  int64_t value;
} fi_fault;

/* Sets bytes and scratch_bytes to exactly what the bounds need; reads none of them, nor memory and scratch. */
fi_status fi_workspace_size(const fi_kernel *kernel, fi_workspace *workspace);

/* The lengths of a step, on the device. Requests without query tokens or KV are legal: O is 0, LSE -infinity. */
typedef struct fi_batch {
  uint32_t struct_size;
  uint32_t requests;            /* 1 to max_requests */
  const int32_t *q_indptr;      /* [requests + 1] first query token of each request; NULL: one query token each. Tokens
                                   before the first request's and after the last one's belong to nobody */
  const int32_t *kv_len;        /* [requests] tokens of KV, the new ones included; NULL: from kv_indptr */
  const int32_t *kv_indptr;     /* [requests + 1] for FI_INDEX_CSR: first token (ragged) or first entry of page_table */
  const int32_t *last_page_len; /* [requests] in place of kv_len, with a CSR page table: tokens in the last page, 1 to
                                   page_size; not read for a request without pages */
  const int32_t *kv_start;      /* [requests] for spec.kv_start: the first token that is seen */
  const void *page_table;       /* page ids, for page_size > 0, of the type that spec.page_ids says; those after a
                                   request's last page mean nothing, and only with spec.prefixes are any read */
  int64_t page_table_stride;    /* of FI_INDEX_DENSE: entries of a request's row, at least the pages of the longest */
  const int32_t *ranges;       /* for spec.ranges: [][2] first token and that after the last one, of KV of a request. */
  const int32_t *range_indptr; /* [requests + 1] first range of each request; its ranges rise and do not overlap */
  const uint32_t *mask_bits;   /* for spec.mask_bits: bit t % 32 of word t / 32 of a query token's row is token t's */
  const int64_t *mask_offsets; /* [requests] in mask_bits: the first word of the request's rows */
  int64_t mask_stride;         /* words between query tokens' rows, at least those of max_kv_len; 0: of the request */
  uint32_t page_count;         /* pages of the cache: ids from there on are a fault; 0: no check: a launch less */
  uint32_t second_page_count;  /* likewise of a second KV, of which all ids of each request are checked */
  const int32_t *selected_len; /* for spec.select: [query tokens] entries of each token's lists, holes included, 0 to
                                  max_selected; NULL: all have max_selected */
  const void *second_page_table; /* for spec.second_page: rows of page ids */
  int64_t second_page_table_stride;
  const int32_t *second_kv_len; /* [requests] */
  const int32_t *shared; /* for spec.prefixes 2: [requests][2] a request, and how many leading KV tokens, of which whole
                            pages count, it has in common with the one before it here; each once, in an order in which
                            those that share most are neighbours. Of the first the number means nothing */
  uint32_t reserved[28];
} fi_batch;

/*
 * Splits a batch into work items of about equal cost, in one small launch that reads the lengths on the device. With
 * spec.rows 0 it first sorts requests by what the batch costs in tiles of each size, or with split_tokens each. Made
 * once a step for a kernel; every fi_run of that kernel, and of any append or indexer kernel with the same index,
 * page_size and page_ids, may use it until the lengths change. fi_plan and its fi_runs take the same bounds, memory and
 * ctas. What the memory holds is known on the device only: a run without a plan, or with that of another kind of kernel
 * or of other bounds, does nothing and says so in the memory's fi_fault.
 *
 * With spec.prefixes it finds requests, in any order, that see the same leading pages, and prefixes within prefixes. As
 * many as fit a tile (rows / group query tokens, of each at most half) read them once, by 128 tokens or more. With
 * spec.rows 0 two kernels share a batch: that of most rows reads what many requests share, where that is worth it, and
 * takes long queries, another one the rest; with split_tokens one takes all. Bounds of so many requests and tiles that
 * shared memory does not hold their tree (about 3,000) have it find none. With 2 it does not search: of what
 * batch.shared says it compares the last page; that those before it are the same is the caller's word. In caches whose
 * pages are found by all that is before them one follows from the other. */
fi_status fi_plan(fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace, void *stream);

/* Several plans of one step in one launch, or few (eight to a launch; with spec.rows 0 each of its kernels counts): of
 * kinds of layers, or of parts of a batch. Plan i is that of fi_plan(kernels[i], batches[i], workspaces[i], stream);
 * memories must differ, scratch need not. Kernels are of one context. */
enum { FI_MOST_PLANS = 64 };
fi_status fi_plan_all(fi_kernel *const *kernels, const fi_batch *const *batches, const fi_workspace *const *workspaces,
                      uint32_t count, void *stream);

/*
 * K or V: rows of one token and KV head, head_dim or v_dim elements each. Other orders than the one shown (HND,
 * interleaved pools) are other strides, which count elements. */
typedef struct fi_kv {
  void *data;          /* [pages][page_size][KV heads][dim]; else [requests][tokens].. or [tokens].. */
  int64_t page_stride; /* between pages; between requests when contiguous (then it must be given) */
  int64_t token_stride;
  int64_t head_stride;
  void *scales; /* for spec.kv_scale floats, positive: what is stored is worth value * scale. [1], [KV heads], or laid
                   out as the rows are: [pages][page_size][KV heads]; else [requests][tokens].. or [tokens]..; of these,
                   a row of zeros may have 0, and what no query token sees anything; O and LSE of one that sees NaN are
                   NaN. Of types with groups see FI_I4; aligned as their strides */
  float scale;  /* the same on the host, positive, for types of 8 and 4 bits: they are multiplied; 0: 1 */
  uint32_t unused;
  int64_t scale_page_stride; /* of the scales of tokens or groups, in scales, likewise; multiples of 16 bytes where
                                those of a row are, else of 8, else of 4 */
  int64_t scale_token_stride;
  int64_t scale_head_stride;
  uint32_t reserved[6];
} fi_kv;

/*
 * The tensors of one launch. Data pointers are 16-byte aligned and strides multiples of 16 bytes; of 8 bytes for Q, and
 * K or V of the cache, whose rows are no multiple of 16 bytes. A stride of 0 means packed in the order shown. */
typedef struct fi_tensors {
  uint32_t struct_size;
  float softmax_scale; /* positive; 0: 1 / sqrt(head_dim). A scale of Q is part of it, or of k.scales */

  /* attention */
  const void *q; /* [tokens][query heads][head_dim] */
  void *o;       /* [tokens][query heads][v_dim]; also the result of merge */
  float *lse;    /* [tokens][query heads], for spec.lse; also the result of merge */
  int64_t q_token_stride;
  int64_t q_head_stride;
  int64_t o_token_stride;
  int64_t o_head_stride;
  const int32_t *positions; /* [tokens], or [3][tokens], for FI_POSITIONS_ARRAY; append reads it too */

  fi_kv k; /* the cache: attention reads it, append writes it */
  fi_kv v; /* likewise; with FI_V_KEYS not read, as v_new, but for wide_dims of K */

  /* append */
  fi_kv k_new;       /* [tokens][KV heads][dim], rows of the step's query tokens, of q_dtype: data and the */
  fi_kv v_new;       /* strides of tokens and heads count */
  const void *slots; /* [tokens] of the type that spec.slots says */

  /* merge: states of the same queries over disjoint KV ranges */
  const void *parts_o;    /* [parts][tokens][heads][v_dim], packed, of o_dtype */
  const float *parts_lse; /* [parts][tokens][heads], packed */
  uint32_t parts;
  uint32_t tokens; /* of a launch without a plan: merge, and append by slots */
  uint32_t heads;  /* likewise: of O, or of K and V */
  float o_scale;   /* O is multiplied with it; 0: 1 */

  /* attention and append, for spec.rope: what fi_rope_table makes */
  const uint64_t *rope_table;   /* [rope_dim / 2] turns per token of each pair, in units of 2^-64 of a turn */
  const int32_t *key_positions; /* [pages][page_size]; else [requests][tokens] or [tokens]; for rope_axes 3, which must
                                   have it, each 3 times. NULL: indexes in the KV */
  int64_t position_stride;      /* rope_axes 3: between the three positions of a token, at least the tokens */
  int64_t key_position_stride;  /* likewise, of a key */
  int64_t key_page_stride;      /* between pages, 0: page_size; between requests when contiguous (it must be given) */
  float rope_magnitude;         /* rotated Q and K are multiplied with it; positive; 0: 1 */

  /* attention: what a score becomes, and how a row ends */
  float softcap;              /* for spec.softcap: above 0, at most 10000; logits are off by at most 5e-6 of it */
  const float *sinks;         /* [query heads] for spec.sinks: logits, not scaled. Weights are exp(s_t) divided by the
                                 sum of exp(sink) and all exp(s). LSE counts the sink: of states to merge one alone may
                                 have it, others -infinity. A row that sees nothing has O 0, and its sink as LSE */
  const float *slopes;        /* [query heads] for FI_BIAS_SLOPES */
  const void *bias;           /* for the other kinds of bias */
  int64_t bias_token_stride;  /* elements, at least bias_extent or, if dense, max_kv_len */
  int64_t bias_head_stride;   /* likewise; 0: all heads have one */
  uint32_t bias_extent;       /* distances that a row of bias has, for FI_BIAS_DISTANCE and FI_BIAS_TOKEN_DISTANCE */
  int32_t bias_first;         /* the distance of its first element, for FI_BIAS_DISTANCE */
  const void *snippet_params; /* for spec.snippet: handed to the text, which alone reads it: NULL if it does not */

  /* attention, for spec.select */
  const int32_t *selected;       /* [tokens][max_selected], or [tokens][KV heads][max_selected]: blocks, in any order */
  int64_t selected_token_stride; /* entries, at least max_selected; 0: packed */
  int64_t selected_head_stride;  /* likewise; 0: all KV heads have one list */

  /* index, which reads q and k, too */
  int32_t *lists;        /* the result: [tokens][KV heads], or [tokens][query heads] for FI_SCORES_HEADS, of
                            [max_selected]: `selected` of attention, with its strides, of which 0 is packed here;
                            those of max_tokens query tokens lie apart */
  const float *weights;  /* [tokens][query heads] for FI_SCORES_SUM */
  int64_t weight_stride; /* floats between tokens, at least the query heads; 0: packed */
  uint32_t first_blocks; /* of the blocks that a query token sees so many, the first ones, .. */
  uint32_t last_blocks;  /* .. and so many, the last ones, are in its list anyway: together at most max_selected */
  fi_kv second_k;        /* for spec.second_page: as k and v, in pages of so many tokens */
  fi_kv second_v;
  uint32_t reserved[40];
} fi_tensors;

/* Launches the kernel once, or with spec.rows 0 each of those that the bounds allow. Attention and append use the plan
 * in the workspace; merge, and append by slots, ignore it: it may be NULL. Attention writes every row of o and lse that
 * the batch has; a NaN in a row of Q makes O and LSE of that row NaN, if it sees a token, and of no other. An append
 * kernel writes K and V of the query tokens to the places of the last q_len tokens of each request's KV. */
fi_status fi_run(fi_kernel *kernel, const fi_tensors *tensors, const fi_workspace *workspace, void *stream);

/* ------------------------------------------------------------------------------------------------ RoPE */

/*
 * Frequencies by what a model's config says. Pair i of n = dim / 2 turns by f radians a token, and rotated Q and K are
 * multiplied with a magnitude m, which is 1 but for yarn and longrope. With x = theta^(-2 i / dim), C = context,
 * L = max_tokens and s = factor:
 *
 * NONE          f = x, or frequencies[i]
 * LINEAR        f = x / s
 * LLAMA3        by the wavelength w = 2 pi / x: x / s for w > C / low_frequency, x for w < C / high_frequency, and
 *               between these (1 - k) x / s + k x with k = (C / w - low) / (high - low)
 * YARN          f = x (1 - g) + (x / s) g, where g = (i - a) / (b - a), cut to 0 .. 1, a = c(beta_fast) from 0 on,
 *               b = c(beta_slow) up to dim - 1, c(r) = dim ln(C / (2 pi r)) / (2 ln theta); unless no_truncation is 1,
 *               a is rounded down and b up; b is a + 0.001 when they are equal.
 *               m = M(1) with M(k) = 1 + 0.1 k ln s (1 for s <= 1), or M(mscale) / M(mscale_all_dim) if both are given
 * LONGROPE      f = x / long_factors[i] when L > C, else x / short_factors[i]; m = sqrt(1 + ln s / ln C), 1 for s <= 1
 * DYNAMIC       f = x with theta (s L / C - (s - 1))^(dim / (dim - 2)) for theta when L > C: NTK for a given length
 * PROPORTIONAL  f = x / s for the first turning_pairs pairs, 0 for the others; dim is that of the whole head
 *
 * From modeling_rope_utils.py of Hugging Face transformers. What a formula does not have is not read. */
enum { FI_SCALING_NONE = 0, FI_SCALING_LINEAR = 1, FI_SCALING_LLAMA3 = 2, FI_SCALING_YARN = 3 };
enum { FI_SCALING_LONGROPE = 4, FI_SCALING_DYNAMIC = 5, FI_SCALING_PROPORTIONAL = 6 };

typedef struct fi_rope {
  uint32_t struct_size;
  uint32_t dim;                /* spec.rope_dim: even, 2 to 576 */
  uint32_t scaling;            /* FI_SCALING_ */
  uint32_t no_truncation;      /* yarn: 1 is truncate = false of configs */
  uint32_t turning_pairs;      /* proportional: up to dim / 2; 0: all */
  uint32_t max_tokens;         /* longrope, dynamic: the longest request that is served, 1 and more */
  double theta;                /* above 1; 0: 10000 */
  double factor;               /* positive; 0: 1 */
  double context;              /* tokens the model was trained on, above 1, of llama3, yarn, longrope and dynamic */
  double low_frequency;        /* turns per context; 0: 1 */
  double high_frequency;       /* not below it; 0: 4 */
  double beta_fast;            /* turns per context; 0: 32 */
  double beta_slow;            /* not above it; 0: 1 */
  double mscale;               /* 0: not given */
  double mscale_all_dim;       /* likewise */
  double attention_factor;     /* positive: the magnitude; 0: that of the formula */
  const float *frequencies;    /* [dim / 2] with FI_SCALING_NONE: radians a token; NULL: by theta */
  const double *short_factors; /* [dim / 2] positive */
  const double *long_factors;  /* likewise */
  uint32_t sections[3];   /* spec.rope_axes 3: pairs that turn by time (t), height (h), width (w), dim / 2 in all */
  uint32_t section_order; /* FI_SECTIONS_ */
  uint32_t reserved[28];
} fi_rope;

/*
 * CONTIGUOUS   sections[0] pairs by t, then sections[1] by h, then sections[2] by w (Qwen2-VL, GLM-4V)
 * INTERLEAVED  pair i by h where i % 3 == 1 and i < 3 sections[1], by w likewise, else by t (Qwen3-VL, Qwen3.5)
 * ALTERNATING  by h and w in turn while there are such, then by t (Ernie 4.5 VL) */
enum { FI_SECTIONS_CONTIGUOUS = 0, FI_SECTIONS_INTERLEAVED = 1, FI_SECTIONS_ALTERNATING = 2 };

/*
 * Fills table, on the host, with the dim / 2 entries of fi_tensors.rope_table, and magnitude for rope_magnitude. An
 * entry is f / (2 pi) turns in units of 2^-64, rounded to a multiple of 2^-48 turns, so that it is the same on every
 * machine. Its product with a position wraps as the angle does: at position p it is off by at most p * 2^-49 turns,
 * 1.2e-8 radians at a million. With spec.rope_axes 3 its lowest two bits say which position turns the pair. */
fi_status fi_rope_table(const fi_rope *rope, uint64_t *table, float *magnitude);

/* ---------------------------------------------------------------------------------------- notes for reviewers */

/*
 * What the reserved words are meant for, so that sizes stay and what is planned has room. Numbers are indexes of
 * reserved[] as it is; what comes first takes the first words, and the same change renumbers this list. A pointer or an
 * int64_t takes two and lies at a multiple of 8 bytes. Zero keeps its meaning: what is done today.
 *
 *  1. Zero points of KV         spec 0 there are such; kv 0-1 they */

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
