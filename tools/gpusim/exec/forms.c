/* Chooses the tables of instruction forms for this processor. Every file of instructions is compiled for the base
 * instruction set and, on x86-64, for AVX2 with FMA; a new one is one more row here. */
#include "exec/forms.h"

#include <pthread.h>

#define EACH_FILE(X)                                                                                                   \
  X(integer)                                                                                                           \
  X(bits)                                                                                                              \
  X(move)                                                                                                              \
  X(float) X(round) X(compare) X(convert) X(memory) X(atomic) X(warp) X(matrix) X(mma) X(async) X(control) X(mbarrier) \
      X(registers) X(bulk) X(tensor) X(wgmma) X(cluster)

#define DECLARE_BASE(name) extern const struct sim_form_table sim_forms_##name##_base;
#define DECLARE_AVX2(name) extern const struct sim_form_table sim_forms_##name##_avx2;
#define COUNT_ONE(name) +1

enum { TABLE_COUNT = 0 EACH_FILE(COUNT_ONE) };

EACH_FILE(DECLARE_BASE)
#ifdef SIM_HAVE_AVX2
EACH_FILE(DECLARE_AVX2)
#endif

#define COPY_BASE(name) tables[at++] = sim_forms_##name##_base;
#define COPY_AVX2(name) tables[at++] = sim_forms_##name##_avx2;

static struct sim_form_table tables[TABLE_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void) {
  int at = 0;
#ifdef SIM_HAVE_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    EACH_FILE(COPY_AVX2)
    return;
  }
#endif
  EACH_FILE(COPY_BASE)
}

struct sim_form_set sim_forms(void) {
  pthread_once(&once, choose);
  return (struct sim_form_set){tables, TABLE_COUNT};
}
