/* Branches through a table: each lane goes once, to the target of its index, and the lanes meet again after it. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 64, TEXT_BYTES = 4096, REFUSED = -1 };

/* What a branch does to the trail of a lane: one digit for the target that it takes, one for meeting all lanes after.
 */
struct branch_case {
  const char *what;
  const char *table;  /* targets by number */
  const char *index;  /* code that makes %i of the thread %t */
  const char *guard;  /* of the branch */
  int (*target)(int); /* of a thread; 9: falls through */
};

static int by_three(int thread) {
  return thread % 3;
}

static int all_to_two(int thread) {
  (void)thread;
  return 2;
}

static int each_third(int thread) {
  return thread % 5 == 2 ? 1 : 0;
}

static int guarded(int thread) {
  return thread % 2 ? thread % 4 : 9;
}

static int four(int thread) {
  return thread / 3 % 4;
}

static int repeated(int thread) {
  static const int targets[] = {1, 3, 1, 0, 3, 1};
  return targets[thread % 6];
}

static int beyond(int thread) {
  return thread < 5 ? 0 : REFUSED;
}

static const struct branch_case cases[] = {
    {"three targets", "A0, A1, A2", "rem.u32 %i, %t, 3;", "", by_three},
    {"all lanes to one", "A0, A1, A2, A3", "mov.u32 %i, 2;", "", all_to_two},
    {"two groups of unequal size", "A0, A0, A1, A0, A0", "rem.u32 %i, %t, 5;", "", each_third},
    {"lanes that do not branch", "A0, A1, A2, A3", "and.b32 %i, %t, 3;", "@%odd ", guarded},
    {"four targets in runs", "A0, A1, A2, A3", "div.u32 %i, %t, 3; and.b32 %i, %i, 3;", "", four},
    {"repeated targets", "A1, A3, A1, A0, A3, A1", "rem.u32 %i, %t, 6;", "", repeated},
    {"an index beyond the table", "A0, A0, A0, A0, A0", "mov.u32 %i, %t;", "", beyond},
};

static const char prologue[] = ".version 8.5\n.target sm_90\n.address_size 64\n.entry k(.param .u64 out)\n{\n"
                               ".reg .pred %odd, %same; .reg .b32 %t, %i, %j, %trail, %mask, %bit; .reg .b64 %a, %o;\n"
                               "mov.u32 %t, %tid.x; and.b32 %bit, %t, 1; setp.eq.u32 %odd, %bit, 1;\n"
                               "mov.u32 %trail, 0;\n";

/* All lanes are together again when the active mask is full. */
static const char epilogue[] = "activemask.b32 %mask; setp.eq.u32 %same, %mask, -1;\n"
                               "@%same mad.lo.u32 %trail, %trail, 10, 7;\n"
                               "ld.param.u64 %a, [out]; mul.wide.u32 %o, %t, 4; add.u64 %a, %a, %o;\n"
                               "st.global.u32 [%a], %trail; ret;\n}\n";

static CUresult run(const char *text, uint32_t trails[THREADS]) {
  CUlibrary library;
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS, "%s", text);
  sim_forget_fault();
  CUdeviceptr out = sim_buffer(THREADS * sizeof *trails);
  void *parameters[] = {&out};
  CUresult result = sim_launch(sim_kernel(library, "k"), 1, THREADS, 0, parameters);
  sim_download(trails, out, THREADS * sizeof *trails);
  return result;
}

/* Every target appends its digit, plus one, to the trail. */
Test(gpusim_branch, each_lane_goes_once) {
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    char text[TEXT_BYTES];
    uint32_t trails[THREADS];
    snprintf(text, sizeof text,
             "%s%s\nT: .branchtargets %s;\n%sbrx.idx %%i, T;\n"
             "mad.lo.u32 %%trail, %%trail, 10, 9; bra JOIN;\n"
             "A3: mad.lo.u32 %%trail, %%trail, 10, 4; bra JOIN;\nA1: mad.lo.u32 %%trail, %%trail, 10, 2; bra JOIN;\n"
             "A0: mad.lo.u32 %%trail, %%trail, 10, 1; bra JOIN;\nA2: mad.lo.u32 %%trail, %%trail, 10, 3; bra JOIN;\n"
             "JOIN:\n%s",
             prologue, cases[c].index, cases[c].table, cases[c].guard, epilogue);
    CUresult result = run(text, trails);
    bool refused = cases[c].target(THREADS - 1) == REFUSED;
    cr_expect_eq(result, refused ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS, "%s: %d", cases[c].what, result);
    for (int thread = 0; !refused && thread < THREADS; thread++) {
      int target = cases[c].target(thread);
      uint32_t expected = (target == 9 ? 9 : (uint32_t)target + 1) * 10 + 7;
      cr_expect_eq(trails[thread], expected, "%s: thread %d has %u, not %u", cases[c].what, thread, trails[thread],
                   expected);
    }
  }
}

/* A table within a target of a table, which a loop takes the lanes through three times with other indices. */
Test(gpusim_branch, nested_and_in_a_loop) {
  char text[TEXT_BYTES];
  uint32_t trails[THREADS];
  snprintf(text, sizeof text,
           "%smov.u32 %%j, 0;\nAGAIN:\nadd.u32 %%i, %%t, %%j; rem.u32 %%i, %%i, 3;\n"
           "T: .branchtargets B0, B1, B2;\nbrx.idx %%i, T;\n"
           "B1: add.u32 %%i, %%t, %%j; shr.u32 %%i, %%i, 2; rem.u32 %%i, %%i, 3;\n"
           "U: .branchtargets C1, C0, C1;\nbrx.idx %%i, U;\n"
           "C0: mad.lo.u32 %%trail, %%trail, 10, 4; bra NEXT;\nC1: mad.lo.u32 %%trail, %%trail, 10, 5; bra NEXT;\n"
           "B0: mad.lo.u32 %%trail, %%trail, 10, 1; bra NEXT;\nB2: mad.lo.u32 %%trail, %%trail, 10, 3; bra NEXT;\n"
           "NEXT:\nadd.u32 %%j, %%j, 1; setp.lt.u32 %%odd, %%j, 3; @%%odd bra AGAIN;\n%s",
           prologue, epilogue);
  cr_assert_eq(run(text, trails), CUDA_SUCCESS);
  for (uint32_t thread = 0; thread < THREADS; thread++) {
    uint32_t expected = 0;
    for (uint32_t j = 0; j < 3; j++) {
      uint32_t outer = (thread + j) % 3;
      uint32_t inner = (thread + j) / 4 % 3 == 1 ? 4 : 5;
      expected = expected * 10 + (outer == 1 ? inner : outer + 1);
    }
    expected = expected * 10 + 7;
    cr_expect_eq(trails[thread], expected, "thread %u has %u, not %u", thread, trails[thread], expected);
  }
}
