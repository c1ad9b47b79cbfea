/* The table of compiler options. */
#include "runtime/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct compile_option compile_options[] = {
    {"--gpu-architecture=", 1200, false},
    {"-std=c++17", 1200, false},
    {"--device-as-default-execution-space", 1200, false},
    {"--generate-line-info", 1200, true},
    {"--fmad=false", 1200, false}, /* what is fused is written so: PTX, machine code and simulator mean the same */
    {"--minimal", 1204, false},
    {"--modify-stack-limit=false", 1200, false}, /* else RLIMIT_STACK of the whole process is raised during a compile */
    {"--no-cache", 1209, false},                 /* the driver's compile cache: ours is the cache */
    {"--no-source-include", 1200, false},
    {"--ptxas-options=-v", 1200, false}, /* registers and spills in the log */
};

const size_t compile_option_count = sizeof compile_options / sizeof *compile_options;

void compile_option_print(const struct compile_option *option, const struct target *target,
                          char text[COMPILE_OPTION_SIZE]) {
  const size_t length = strlen(option->text);
  const char *value = option->text[length - 1] == '=' ? target->name : "";
  snprintf(text, COMPILE_OPTION_SIZE, "%s%s", option->text, value);
}

void compile_options_print(const struct target *target, bool line_info, char text[COMPILE_OPTIONS_TEXT_SIZE]) {
  size_t used = 0;
  for (size_t i = 0; i < compile_option_count; i++) {
    char option[COMPILE_OPTION_SIZE];
    if (compile_options[i].line_info && !line_info)
      continue;
    compile_option_print(&compile_options[i], target, option);
    used += (size_t)snprintf(text + used, COMPILE_OPTIONS_TEXT_SIZE - used, "%s%s", i ? " " : "", option);
  }
}

void compile_output_free(struct compile_output *output) {
  free(output->image);
  free(output->ptx);
  free(output->log);
  *output = (struct compile_output){0};
}
