/* The specs of tests that have specs of their own, for jobs.c alone. */
#ifndef TESTS_MATRIX_SPECIAL_SPECS_H
#define TESTS_MATRIX_SPECIAL_SPECS_H

/* Specs of plan tests: tiles of one token and of many, small and large, both masks, both indexes. */
static const char *const plan_specs[] = {
    "attention group=4 index=csr",
    "attention rows=16",
    "attention group=4 rows=16 page=16",
    "attention group=12 rows=64 page=1 index=csr mask=none",
    "attention hd=64 group=64 rows=64 mask=none",
    "attention rows=128 group=4 page=16",
    "attention hd=256 rows=128 index=csr",
    "attention family=wgmma hd=512 group=128 page=16",
};

/* Specs of shared prefixes: at least three tokens fit a tile, and the cache has pages. */
static const char *const prefix_specs[] = {
    "attention rows=16 page=16",
    "attention group=4 rows=16 page=16 index=csr lse=1",
    "attention group=5 rows=16 page=1 kv=e4m3 scale=head",
    "attention hd=64 group=8 rows=32 page=16 mask=none rope=half",
    "attention group=4 rows=64 page=16 rope=half keys=unrotated lse=1",
    "attention hd=256 group=8 rows=128 page=16 kv=e5m2",
    "attention group=4 rows=128 page=16 lse=1",
    "attention hd=64 group=8 rows=128 page=16 rope=half",
    "attention hd=72 v_dim=136 group=4 rows=16 page=16 kv=e4m3",
    "attention group=4 rows=16 page=16 kv=int8 scale=token v=int4",
    "attention family=mma hd=288 v_dim=256 group=5 rows=64 page=16 v_source=keys",
};

/* Specs of partials merged in groups: tiles that cut at any step, with rows of few dims and of many. */
static const char *const piece_specs[] = {
    "attention rows=16 page=16 lse=1",
    "attention group=16 rows=16 page=16 sinks=1",
    "attention group=5 rows=16 kv=int4 page=16 index=csr lse=1",
    "attention hd=576 v_dim=512 group=16 rows=16 page=64 lse=1 v_source=keys",
    "attention hd=144 v_dim=128 group=64 rows=64 page=16 sinks=1 v_source=keys",
    "attention hd=160 v_dim=128 group=40 rows=64 page=1 mask=none bits=1 lse=1 v_source=keys",
};

/* Specs whose prefixes are counted, but where rows are open: four requests fit a tile, and half of 128 tokens are whole
 * pages. */
static const char *const counted_specs[] = {
    "attention group=4 rows=16 page=16 prefixes=1",
    "attention group=8 rows=32 page=64 index=csr ids=int64 mask=none prefixes=1",
    "attention group=16 rows=64 page=1 kv=e4m3 prefixes=1",
    "attention group=32 rows=128 page=16 prefixes=2",
    "attention group=4 page=16 prefixes=1",
    "attention group=5 page=64 index=csr ids=int64 mask=none prefixes=2",
};

/* Specs whose plans find shared prefixes, in tiles of several requests; masks that hide them; all kinds of KV. */
static const char *const found_specs[] = {
    "attention page=16 prefixes=1",
    "attention group=4 page=16 lse=1 prefixes=1",
    "attention group=5 page=1 ids=int64 kv=e4m3 scale=head prefixes=1",
    "attention hd=64 group=8 page=3 index=csr left=64 lse=1 prefixes=1",
    "attention group=4 page=48 index=csr mask=none bits=1 lse=1 prefixes=1",
    "attention hd=64 group=4 rows=64 page=16 rope=half keys=unrotated start=1 lse=1 prefixes=1",
    "attention group=4 page=16 kv=int8 scale=token v=int4 chunk=512 prefixes=1",
    "attention hd=64 group=2 rows=32 page=7 kv=nvfp4 ranges=1 sinks=1 prefixes=1",
    "attention group=4 page=16 snippet=logit bias=slopes prefixes=1",
    "attention group=4 rows=128 page=16 lse=1 prefixes=1",
    "attention group=4 rows=128 page=16 softcap=1 prefixes=1",
    "attention group=64 rows=128 page=16 prefixes=1",
    "attention hd=64 group=5 rows=128 page=8 index=csr left=1000 rope=half sinks=1 lse=1 prefixes=1",
    "attention hd=192 v_dim=128 rows=128 page=48 q=f16 ids=int64 mask=none bits=1 start=1 prefixes=1",
    "attention family=wgmma hd=256 group=8 rows=128 page=1 kv=e4m3 chunk=512 lse=1 prefixes=1",
};

/* Specs whose rows are open, and whose kernels share what requests have in common. */
static const char *const divided_specs[] = {
    "attention group=4 page=16 lse=1 prefixes=1",
    "attention hd=64 group=8 page=3 index=csr kv=e4m3 scale=head lse=1 prefixes=1",
    "attention hd=64 group=5 page=16 ids=int64 start=1 bits=1 sinks=1 prefixes=2",
    "attention hd=256 group=2 page=16 kv=int8 scale=token left=1500 prefixes=2",
};

static const char *const told_specs[] = {
    "attention hd=64 group=8 rows=32 page=7 kv=e4m3 index=csr ids=int64 start=1 bits=1 prefixes=2",
    "attention hd=64 group=32 rows=128 page=48 chunk=512 lse=1 prefixes=2",
};

/* Specs of values at the edges: every pair of types, tiles of all sizes, and keys rotated here or there. */
static const char *const edge_specs[] = {
    "attention rows=16 lse=1",
    "attention hd=64 group=8 rows=16 q=f16 page=16 lse=1",
    "attention group=4 rows=16 kv=f16 page=16 lse=1",
    "attention group=5 rows=16 kv=e4m3 scale=head page=16 lse=1",
    "attention group=8 rows=16 kv=e5m2 scale=tensor index=csr lse=1",
    "attention rows=64 q=f16 kv=bf16 lse=1",
    "attention group=4 rows=128 page=16 lse=1",
    "attention hd=256 rows=128 page=16 lse=1",
    "attention hd=64 group=4 rows=128 kv=f16 lse=1",
    "attention group=8 rows=128 q=f16 kv=e4m3 scale=tensor page=16 lse=1",
    "attention family=wgmma group=4 rows=128 q=f16 kv=e4m3 page=16 lse=1",
    "attention family=wgmma hd=80 group=2 rows=128 page=1 lse=1",
    "attention family=wgmma hd=64 v_dim=128 rows=128 kv=e5m2 page=3 lse=1",
    "attention hd=256 rows=32 kv=f16 page=1 lse=1",
    "attention rows=32 kv=e5m2 mask=none lse=1",
    "attention rows=16 kv=f16 page=16 rope=half lse=1",
    "attention group=4 rows=16 kv=e4m3 scale=head page=16 rope=interleaved keys=unrotated lse=1",
    "attention group=2 rows=64 kv=f16 rope=half keys=unrotated lse=1",
    "attention hd=72 group=4 rows=16 page=16 lse=1",
    "attention hd=40 v_dim=248 rows=128 kv=f16 page=7 lse=1",
    "attention hd=88 v_dim=56 rows=64 kv=e4m3 page=16 lse=1",
    "attention hd=104 group=8 rows=16 kv=e5m2 index=csr lse=1",
    "attention hd=72 v_dim=88 group=3 rows=16 kv=e4m3 page=48 rope=half rope_dim=64 keys=unrotated lse=1",
    "attention group=8 rows=16 softcap=1 sinks=1 page=16 lse=1",
    "attention rows=64 kv=e4m3 scale=head softcap=1 lse=1",
    "attention group=4 rows=128 page=16 softcap=1 lse=1",
    "attention family=mma hd=64 rows=128 softcap=1 lse=1",
    "attention group=4 rows=16 kv=f16 sinks=1 lse=2",
    "attention group=2 rows=32 bias=dense page=16 sinks=1 lse=1",
    "attention rows=128 q=f16 mask=none bias=dense lse=1",
    "attention group=4 rows=16 bias=slopes page=16 lse=1",
    "attention rows=128 bias=slopes lse=1",
    "attention family=mma hd=64 group=4 rows=128 bias=slopes page=16 lse=1",
    "attention rows=16 q=f16 mask=none bias=distance softcap=1 lse=1",
    "attention group=4 rows=16 bias=token_distance lse=1",
    "attention group=4 rows=16 kv=int8 scale=token page=16 lse=1",
    "attention group=4 rows=16 kv=nvfp4 page=16 lse=1",
    "attention hd=64 rows=64 q=f16 kv=e4m3 v=int4 lse=1",
    "attention rows=64 kv=int8 scale=head lse=1",
    "attention hd=72 group=8 rows=128 q=f16 kv=int8 scale=token index=csr rope=half keys=unrotated lse=1",
    "attention group=4 rows=16 page=16 snippet=logit lse=1",
    "attention rows=64 kv=e4m3 scale=head mask=none bias=dense snippet=logit sinks=1 lse=2",
    "attention group=2 rows=32 q=f16 bits=1 page=16 snippet=weight",
    "attention hd=72 mask=none left=100 kv=f16 rows=128 snippet=weight",
    "attention group=4 rows=16 kv=int8 scale=token page=16 snippet=logit lse=1",
    "attention hd=160 v_dim=128 group=4 rows=16 page=16 lse=1 v_source=keys",
    "attention hd=96 v_dim=64 rows=64 kv=f16 lse=1 v_source=keys",
    "attention hd=160 v_dim=128 group=4 rows=64 page=16 lse=1 v_source=keys",
    "attention hd=96 v_dim=64 group=3 kv=e4m3 scale=groups page=16 lse=1 v_source=keys scale_group=32",
    "attention hd=136 group=2 rows=32 kv=e4m3 scale=e8m0 page=3 lse=1 v_source=keys wide=72",
    "attention family=wgmma hd=512 group=8 rows=128 page=16 lse=1",
};

/* Again for the oldest target, where the text of a type differs. */
static const char *const old_edge_specs[] = {
    "attention hd=64 group=5 rows=16 kv=e4m3 scale=head page=16 lse=1",
    "attention hd=32 rows=64 kv=e4m3 lse=1",
    "attention hd=64 group=2 rows=16 kv=e5m2 mask=none lse=1",
};

/* Latents of models, with V in K: groups that a tile holds and that tiles share; then with V of its own. */
static const char *const latent_specs[] = {
    "attention hd=576 v_dim=512 group=16 page=64 lse=1 v_source=keys",
    "attention hd=576 v_dim=512 group=128 page=1 lse=2 v_source=keys",
    "attention hd=576 v_dim=512 group=5 rows=64 q=f16 page=16 index=csr v_source=keys",
    ("attention hd=576 v_dim=512 group=7 rows=32 index=csr mask=none rope=interleaved rope_dim=64 rope_first=512 "
     "lse=1 v_source=keys"),
    "attention hd=512 group=64 page=1056 left=128 sinks=1 lse=1 v_source=keys",
    "attention hd=320 v_dim=256 group=20 page=16 rope=half keys=unrotated rope_dim=64 rope_first=256 v_source=keys",
    "attention hd=288 v_dim=256 group=40 rows=128 kv=f16 page=3 lse=1 v_source=keys",
    "attention hd=160 v_dim=128 group=8 page=1 bits=1 sinks=1 v_source=keys",
    "attention hd=512 group=128 kv=e4m3 scale=head page=16 lse=1",
    "attention hd=576 v_dim=512 group=16 kv=e4m3 scale=tensor page=64 lse=1 v_source=keys",
    "attention hd=160 v_dim=128 group=5 rows=64 q=f16 kv=e5m2 scale=head page=1 v_source=keys",
    "attention hd=568 v_dim=512 group=16 kv=e4m3 page=16 lse=1 v_source=keys",
    "attention hd=264 v_dim=248 group=4 rows=64 kv=e5m2 scale=head index=csr v_source=keys",
    "attention hd=576 v_dim=72 group=6 kv=e4m3 scale=tensor page=7 v_source=keys",
    "attention hd=576 v_dim=512 group=128 kv=int8 scale=token page=64 lse=1 v_source=keys",
    "attention hd=160 v_dim=128 group=5 kv=int8 scale=head page=3 v_source=keys",
    "attention hd=576 v_dim=512 group=128 page=64 lse=1 v_source=keys",
    "attention hd=576 v_dim=512 group=64 page=16 mask=none v_source=keys",
    "attention hd=320 v_dim=256 group=24 rows=64 q=f16 index=csr lse=1 v_source=keys",
    ("attention hd=576 v_dim=512 group=8 rows=64 page=16 index=csr rope=interleaved rope_dim=64 rope_first=512 "
     "lse=1 v_source=keys"),
    "attention hd=160 v_dim=128 group=40 rows=128 page=48 bits=1 sinks=1 lse=2 v_source=keys",
    "attention hd=576 v_dim=512 group=16 rows=64 page=1056 left=128 softcap=1 lse=1 v_source=keys",
    "attention hd=512 group=128 page=64 lse=1 v_source=keys",
    "attention hd=160 v_dim=128 group=40 page=1 bits=1 sinks=1 lse=2 v_source=keys",
    "attention hd=264 v_dim=256 group=20 rows=64 q=f16 page=7 ids=int64 left=100 lse=1 v_source=keys",
    "attention hd=576 v_dim=512 group=16 kv=e4m3 scale=groups page=64 lse=1 v_source=keys",
    "attention hd=576 v_dim=512 group=64 kv=e4m3 scale=groups page=1 sinks=1 lse=2 v_source=keys",
    "attention hd=512 group=16 kv=e4m3 scale=e8m0 page=64 lse=1 v_source=keys",
    "attention hd=512 group=64 kv=e4m3 scale=e8m0 page=256 left=128 sinks=1 lse=1 v_source=keys",
    ("attention hd=136 group=4 rows=64 q=f16 kv=e4m3 scale=e8m0 index=csr rope=half rope_dim=32 rope_first=56 "
     "wide=72 v_source=keys"),
    "attention family=wgmma hd=512 group=80 q=f16 index=csr sinks=1 lse=1",
    "attention family=wgmma hd=72 v_dim=512 group=40 page=48 ids=int64 bits=1 lse=2",
};

/* Products of e4m3, with all that their tiles are for; the last are such that others take them. */
static const char *const narrow_specs[] = {
    "attention rows=128 q=e4m3 lse=1",
    "attention group=4 rows=128 q=e4m3 o=f16 page=16 lse=1",
    "attention hd=64 group=8 rows=128 q=e4m3 o=f32 scale=head page=64 mask=none lse=2",
    "attention hd=192 v_dim=128 group=5 rows=128 q=e4m3 scale=tensor page=48 index=csr softcap=1 sinks=1 lse=1",
    "attention hd=80 v_dim=96 rows=128 q=e4m3 index=csr left=600 lse=1",
    "attention hd=256 v_dim=64 group=7 rows=128 q=e4m3 page=1056 bits=1 lse=1",
    "attention hd=144 v_dim=112 group=2 rows=128 q=e4m3 page=8 start=1 chunk=512 bias=slopes",
    "attention family=wgmma group=16 rows=128 q=e4m3 page=16 ids=int64 mask=none left=64 right=9 ranges=1 sinks=1",
    "attention hd=64 rows=128 q=e4m3 o=f16 mask=none bias=dense snippet=logit lse=1",
    "attention group=4 q=e4m3 page=16 lse=1",
    "attention hd=72 group=4 rows=128 q=e4m3 page=4 lse=1",
    "attention group=4 rows=128 q=e4m3 page=16 rope=half lse=1",
};

static const char *const narrow_edge_specs[] = {
    "attention group=2 rows=128 q=e4m3 scale=head page=16 lse=1",
    "attention hd=64 rows=128 q=e4m3 mask=none bias=dense lse=2",
    "attention group=4 rows=16 q=e4m3 page=16 lse=1",
    "attention hd=72 group=2 rows=32 q=e4m3 kv=bf16 lse=1",
    "attention rows=64 q=e4m3 kv=int8 o=f32 scale=token lse=1",
    "attention rows=128 q=e4m3 o=f32 mask=none bias=slopes lse=2",
    "attention hd=256 v_dim=64 rows=128 q=e4m3 page=16 lse=1",
    "attention rows=128 q=e4m3 left=128 lse=1",
};

/* The same by mma.sync: both tiles, alone and in a mix; the last are such that Q is converted. */
static const char *const narrow_mma_specs[] = {
    "attention rows=64 q=e4m3 lse=1",
    "attention rows=128 q=e4m3 o=f16 page=16 lse=1",
    "attention hd=64 group=8 rows=64 q=e4m3 o=f32 scale=head page=64 mask=none lse=2",
    "attention hd=192 v_dim=128 group=5 rows=128 q=e4m3 scale=tensor page=48 index=csr softcap=1 sinks=1 lse=1",
    "attention hd=96 v_dim=80 rows=64 q=e4m3 index=csr left=60 right=3 mask=none lse=1",
    "attention hd=256 group=7 rows=64 q=e4m3 page=1056 bits=1 lse=1",
    "attention hd=32 v_dim=256 group=3 rows=128 q=e4m3 o=f16 page=1 ids=int64 start=1 chunk=96 bias=slopes",
    "attention hd=160 v_dim=112 group=2 rows=128 q=e4m3 page=4 mask=none left=64 right=9 ranges=1 sinks=1",
    "attention hd=64 rows=128 q=e4m3 o=f16 mask=none bias=dense snippet=logit lse=1",
    "attention group=4 q=e4m3 page=16 lse=1",
    "attention hd=80 group=4 rows=128 q=e4m3 page=16 lse=1",
    "attention group=4 rows=64 q=e4m3 page=16 rope=half lse=1",
};

static const char *const narrow_mma_edge_specs[] = {
    "attention group=2 rows=128 q=e4m3 scale=head page=16 lse=1",
    "attention hd=64 rows=64 q=e4m3 mask=none bias=dense lse=2",
    "attention rows=64 q=e4m3 o=f32 mask=none bias=slopes lse=2",
    "attention rows=128 q=e4m3 left=128 lse=1",
};

/* Again for the target with least shared memory, where tiles are smaller. */
static const char *const small_latent_specs[] = {
    "attention hd=576 v_dim=512 group=64 page=16 lse=1 v_source=keys",
    "attention hd=576 v_dim=512 group=6 rows=128 q=f16 mask=none v_source=keys",
};

/* Lists of tokens and of blocks: latents, groups of all sizes, types of K and V with scales of tokens, other masks. */
static const char *const list_specs[] = {
    "attention hd=576 v_dim=512 group=16 page=64 lse=1 v_source=keys select=1",
    "attention hd=576 v_dim=512 group=128 page=1 sinks=1 lse=2 v_source=keys select=1",
    "attention hd=512 group=64 page=1056 sinks=1 lse=1 v_source=keys select=1",
    "attention hd=576 v_dim=512 group=64 index=csr softcap=1 lse=1 v_source=keys select=1",
    "attention hd=264 v_dim=256 group=100 q=f16 page=16 ids=int64 left=200 lse=1 v_source=keys select=16",
    "attention hd=160 v_dim=128 group=5 rows=64 start=1 mask=none v_source=keys select=3",
    "attention hd=576 v_dim=512 group=5 q=f16 kv=e4m3 scale=tensor mask=none lse=1 v_source=keys select=1",
    "attention hd=576 v_dim=512 group=128 kv=e4m3 scale=groups page=64 mask=none lse=1 v_source=keys select=1",
    "attention hd=512 group=8 kv=e4m3 scale=e8m0 page=64 sinks=1 lse=1 v_source=keys select=1",
    "attention group=16 page=128 lse=1 select=128",
    "attention group=4 page=16 index=csr mask=none lse=1 select=3",
    "attention hd=64 group=8 rows=64 sinks=1 select=64",
    "attention hd=72 kv=e5m2 scale=head page=7 left=30 select=2",
    "attention group=4 kv=int8 scale=token page=16 lse=1 select=1",
    "attention group=7 rows=128 kv=int8 scale=token index=csr v=int4 select=16",
    "attention hd=256 group=12 q=f16 page=48 start=1 chunk=100 rope=half lse=1 select=100",
};

/* A window, or more, beside lists of a second KV: DeepSeek-V4's, groups and types of all kinds, pages of other sizes.
 */
static const char *const second_specs[] = {
    "attention hd=512 group=64 kv=e4m3 scale=e8m0 page=64 left=128 sinks=1 lse=1 v_source=keys select=1 second=64",
    "attention hd=512 group=128 page=256 left=128 sinks=1 lse=1 v_source=keys select=1 second=2",
    "attention hd=512 group=16 page=16 left=20 mask=none lse=2 v_source=keys select=1 second=1",
    "attention group=4 page=16 lse=1 left=40 select=1 second=16",
    "attention hd=64 group=8 rows=64 page=16 ids=int64 chunk=100 sinks=1 select=16 second=7",
    "attention group=4 page=7 kv=int8 scale=token v=int4 left=100 lse=1 select=3 second=48",
    "attention hd=72 group=7 page=3 kv=e5m2 scale=head lse=1 left=30 select=1 second=16",
    "attention hd=576 v_dim=512 group=16 page=64 kv=e4m3 scale=groups start=1 lse=1 v_source=keys select=2 second=64",
    "attention hd=256 group=12 q=f16 page=48 ranges=1 rope=half softcap=1 lse=1 select=100 second=1056",
    "attention group=2 page=16 kv=nvfp4 mask=none lse=1 select=1 second=16",
};

/* Indexers of models: DeepSeek-V3.2 and GLM-5, MiniMax-M3 with keys of each head and of all, and large ones. */
static const char *const index_specs[] = {
    "indexer group=64 page=64 kv=e4m3 scale=token",
    "indexer group=32 q=f16 page=1 kv=e4m3 scale=token",
    "indexer group=16 index=csr page=16",
    "indexer page=128 select=128 scores=heads",
    "indexer group=4 page=128 select=128 scores=heads",
    "indexer hd=256 group=128 page=48 select=3",
    "indexer hd=48 group=5 q=f16 select=16 scores=heads",
};

/* Specs with all that can be wrong: pages, starts, lengths of their own. The last one has several members. */
static const char *const fault_specs[] = {
    "attention rows=16 page=16 start=1",
    "attention hd=64 group=8 rows=64 page=3 start=1 mask=none",
    "attention hd=64 group=8 page=16 start=1 select=1",
    "attention hd=160 v_dim=128 group=40 page=16 start=1 v_source=keys select=1",
    "attention group=16 page=64 start=1 mask=none select=24",
    "attention hd=64 group=4 page=16 start=1",
    "attention hd=64 group=8 page=16 start=1 select=2 second=3",
};

/* Rows left open: members of two and three sizes, all ways to find KV, masks of all kinds, and types. */
static const char *const mix_specs[] = {
    "attention hd=64 group=4 page=16 lse=1",
    "attention hd=64 group=8 index=csr kv=e4m3 scale=head left=40 sinks=1",
    "attention hd=64 group=2 kv=f16 bias=slopes lse=1",
    "attention hd=64 group=20 page=3 mask=none rope=half keys=unrotated",
    "attention hd=64 group=5 page=16 index=csr bits=1 lse=2",
    "attention hd=64 v_dim=128 group=6 chunk=100 ranges=1 start=1 page=16 kv=int8 scale=token",
};

/* Never made by another job: the kernel must not be there yet. */
static const char *const thread_specs[] = {"attention hd=32 group=3 rows=16 page=5 rope=half"};

#endif
