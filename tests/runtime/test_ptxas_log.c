/* The reader of ptxas -v logs, on lines of NVRTC 12 and 13. */
#include "runtime/ptxas_log.h"

#include <criterion/criterion.h>

static struct ptxas_facts read_log(const char *log) {
  struct ptxas_facts facts;
  ptxas_log_read(log, &facts);
  return facts;
}

Test(ptxas_log, clean_kernel) {
  const struct ptxas_facts facts =
      read_log("flashjit.cu(1): warning #177-D: variable \"unused\" has 99 registers\n"
               "ptxas info    : 0 bytes gmem\n"
               "ptxas info    : Compiling entry function 'k' for 'sm_90a'\n"
               "ptxas info    : Function properties for k\n"
               "ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
               "ptxas info    : Used 12 registers, used 1 barriers, 400 bytes smem\n");
  cr_expect_eq(facts.registers, 12);
  cr_expect_eq(facts.static_shared, 400);
  cr_expect_eq(facts.spill_bytes, 0);
  cr_expect_eq(facts.stack_bytes, 0);
  cr_expect_not(facts.serialised);
}

Test(ptxas_log, spills_and_stack) {
  const struct ptxas_facts facts =
      read_log("ptxas info    : Function properties for k\n"
               "ptxas         .     72 bytes stack frame, 100 bytes spill stores, 128 bytes spill loads\n"
               "ptxas info    : Used 32 registers, used 0 barriers, 72 bytes cumulative stack size");
  cr_expect_eq(facts.registers, 32);
  cr_expect_eq(facts.spill_bytes, 228);
  cr_expect_eq(facts.stack_bytes, 72);
}

Test(ptxas_log, several_functions) {
  const struct ptxas_facts facts =
      read_log("ptxas         .     0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n"
               "ptxas info    : Used 40 registers\n"
               "ptxas         .     16 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads\n"
               "ptxas info    : Used 24 registers\n");
  cr_expect_eq(facts.registers, 40);
  cr_expect_eq(facts.spill_bytes, 16);
  cr_expect_eq(facts.stack_bytes, 16);
}

Test(ptxas_log, serialised_wgmma) {
  cr_expect(read_log("ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are "
                     "serialized due "
                     "to insufficient register resources\n")
                .serialised);
  cr_expect_not(read_log("flashjit.cu(7): note (C7510) is only a comment\n").serialised);
}

Test(ptxas_log, nothing_of_ptxas) {
  const struct ptxas_facts facts = read_log("");
  cr_expect_eq(facts.registers, 0);
  cr_expect_eq(facts.stack_bytes, 0);
}
