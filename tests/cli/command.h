/* Runs the flashjit command as a user does. */
#ifndef TESTS_CLI_COMMAND_H
#define TESTS_CLI_COMMAND_H

#include <stdbool.h>

enum { OUTPUT_SIZE = 1 << 17 };

struct output {
  int code; /* exit code; 128 + signal when it was killed */
  char out[OUTPUT_SIZE];
  char err[OUTPUT_SIZE];
};

/* The arguments are a shell's words. The kernel cache is a scratch folder of this process. */
void command(struct output *output, const char *arguments);

/* Likewise, in an environment that env(1) has changed by these words. */
void command_in(struct output *output, const char *environment, const char *arguments);

/* For .init of tests whose commands launch kernels. */
void use_simulator(void);

/* Criterion assertions with the output as their message. */
void expect_code(const struct output *output, int code);
void expect_text(const char *output, const char *part);

/* A file of tests/data, for use in arguments. */
#define MODEL(name) TEST_DATA "/models/" name ".json"
#define TRACE(name) TEST_DATA "/traces/" name

#endif
