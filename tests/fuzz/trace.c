/* Traces, in both forms of files and as lengths of the command line. Every request that is read has a prompt. */
#include "fuzz.h"

#include "tools/flashjit/trace.h"

enum { MOST = 1000 };

static void check(struct trace *trace) {
  for (size_t i = 0; i < trace->count; i++)
    fuzz_expect(trace->requests[i].prompt > 0);
  trace_scale(trace, 7);
  trace_limit(trace, 100);
  fuzz_expect(trace_longest(trace) <= 100);
  trace_free(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct trace trace = {0};
  if (trace_read(&trace, fuzz_file(data, size), MOST)) {
    fuzz_expect(trace.count <= MOST);
    check(&trace);
  }
  trace = (struct trace){0};
  char *text = fuzz_text(data, size);
  if (trace_parse(&trace, text))
    check(&trace);
  free(text);
  return 0;
}
