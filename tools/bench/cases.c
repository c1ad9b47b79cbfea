/* The table of timed workloads. */
#include "tools/bench/cases.h"

#define DECODE(group) "attention group=" #group " page=16"
#define WINDOW_128 "attention hd=64 group=8 page=16 left=128 sinks=1"
#define WINDOW_1024 "attention hd=256 group=2 page=16 left=1024"
#define PREFILL(head_dim) "attention rows=128 index=csr hd=" #head_dim

const struct bench_case bench_cases[] = {
    /* spec, KV heads, requests, q_len, kv_len, long one, bar, peer, compute-bound */
    {DECODE(4), 8, 1, 1, 1024, 0, 6.5, 9.6, 0},
    {DECODE(4), 8, 1, 1, 8192, 0, 12.5, 20.1, 0},
    {DECODE(4), 8, 1, 1, 131072, 0, 128, 134, 0},
    {DECODE(4), 8, 16, 1, 1024, 0, 20, 27.5, 0},
    {DECODE(4), 8, 16, 1, 8192, 0, 126, 133, 0},
    {DECODE(4), 8, 64, 1, 1024, 0, 67, 74, 0},
    {DECODE(4), 8, 64, 1, 4096, 0, 246, 252, 0},
    {DECODE(4), 8, 128, 1, 1024, 0, 129, 137, 0},
    {DECODE(4), 8, 128, 1, 4096, 0, 484, 495, 0},
    {DECODE(4), 8, 256, 1, 1024, 0, 0, 0, 0},
    {"attention group=4 page=1", 8, 128, 1, 4096, 0, 494, 502, 0},
    {"attention group=4 page=64", 8, 128, 1, 4096, 0, 484, 495, 0},
    {DECODE(8), 8, 64, 1, 4096, 0, 247, 252, 0},
    {DECODE(8), 8, 128, 1, 4096, 0, 485, 496, 0},
    {DECODE(1), 32, 16, 1, 8192, 0, 480, 487, 0},
    {DECODE(1), 32, 64, 1, 4096, 0, 955, 975, 0},
    {DECODE(1), 32, 128, 1, 4096, 0, 1900, 1928, 0},
    {DECODE(4) " kv=e4m3", 8, 16, 1, 8192, 0, 68, 117, 0},
    {DECODE(4) " kv=e4m3", 8, 128, 1, 4096, 0, 256, 417, 0},
    {DECODE(4) " kv=int8 scale=token", 8, 128, 1, 4096, 0, 258, 0, 0},
    {DECODE(4) " kv=int4", 8, 128, 1, 4096, 0, 155, 0, 0},
    {DECODE(4) " kv=nvfp4", 8, 128, 1, 4096, 0, 155, 0, 0},
    {DECODE(4) " kv=int8 scale=token v=int4", 8, 128, 1, 4096, 0, 0, 0, 0},
    {DECODE(4), 8, 64, 4, 4096, 0, 250, 253, 0},
    {DECODE(4) " rows=64", 8, 64, 16, 4096, 0, 260, 413, 0},
    {DECODE(4), 8, 64, 1, 1024, 131072, 0, 0, 0},
    {PREFILL(128), 16, 32, 512, 512, 0, 390, 307, 1},
    {PREFILL(128), 16, 16, 1024, 1024, 0, 520, 418, 1},
    {PREFILL(128), 16, 4, 4096, 4096, 0, 620, 543, 1},
    {PREFILL(128), 16, 2, 8192, 8192, 0, 650, 590, 1},
    {PREFILL(128), 16, 1, 16384, 16384, 0, 675, 614, 1},
    {PREFILL(128) " mask=none", 16, 1, 16384, 16384, 0, 690, 655, 1},
    {PREFILL(64), 32, 1, 16384, 16384, 0, 530, 467, 1},
    {PREFILL(256), 8, 1, 16384, 16384, 0, 700, 654, 1},
    {"attention rows=128 group=4 page=16", 8, 1, 16384, 16384, 0, 0, 0, 1},
    {"attention rows=128 group=4 page=16", 8, 1, 512, 8192, 0, 0, 0, 1},
    {"attention rows=128 group=4 page=16", 8, 1, 128, 2048, 0, 0, 0, 1},
    {DECODE(4) " rows=64", 8, 4, 16, 1024, 0, 0, 0, 0},

    /* windows, each beside the same kernel on the tokens that they show */
    {WINDOW_128, 8, 1, 1, 8192, 0, 4.5, 8.4, 0},
    {WINDOW_128, 8, 1, 1, 128, 0, 0, 0, 0},
    {WINDOW_128, 8, 64, 1, 8192, 0, 9, 15.3, 0},
    {WINDOW_128, 8, 64, 1, 128, 0, 0, 0, 0},
    {WINDOW_128, 8, 128, 1, 4096, 0, 14, 28.8, 0},
    {WINDOW_128, 8, 128, 1, 128, 0, 0, 0, 0},
    {WINDOW_1024, 8, 64, 1, 8192, 0, 126, 151, 0},
    {WINDOW_1024, 8, 64, 1, 1024, 0, 0, 0, 0},
    {PREFILL(64) " group=8 left=128 sinks=1", 8, 1, 16384, 16384, 0, 202, 123, 1},
    {PREFILL(256) " group=2 left=1024", 8, 4, 4096, 4096, 0, 547, 476, 1},

    /* what a score becomes, beside the rows above without it */
    {DECODE(4) " softcap=1", 8, 16, 1, 1024, 0, 0, 0, 0},
    {DECODE(4) " softcap=1", 8, 64, 1, 4096, 0, 0, 0, 0},
    {DECODE(4) " sinks=1", 8, 16, 1, 1024, 0, 0, 0, 0},
    {DECODE(4) " sinks=1", 8, 64, 1, 4096, 0, 0, 0, 0},
    {DECODE(4) " bias=slopes", 8, 16, 1, 1024, 0, 0, 0, 0},
    {DECODE(4) " bias=slopes", 8, 64, 1, 4096, 0, 0, 0, 0},
    {PREFILL(128) " softcap=1", 16, 4, 4096, 4096, 0, 520, 459, 1},
    {PREFILL(128) " sinks=1", 16, 4, 4096, 4096, 0, 0, 0, 1},
    {PREFILL(128) " bias=slopes", 16, 4, 4096, 4096, 0, 0, 0, 1},

    /* RoPE inside, with keys that are stored rotated and as they came */
    {DECODE(4) " rope=half", 8, 16, 1, 1024, 0, 0, 0, 0},
    {DECODE(4) " rope=half", 8, 64, 1, 4096, 0, 0, 0, 0},
    {DECODE(4) " rope=half keys=unrotated", 8, 16, 1, 1024, 0, 0, 0, 0},
    {DECODE(4) " rope=half keys=unrotated", 8, 64, 1, 4096, 0, 0, 0, 0},

    /* DeepSeek's expanded prefill */
    {PREFILL(192) " v_dim=128", 16, 4, 4096, 4096, 0, 665, 649, 1},
};

const size_t bench_case_count = sizeof bench_cases / sizeof *bench_cases;
