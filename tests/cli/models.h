/* Models of given configs, for tests. */
#ifndef TESTS_CLI_MODELS_H
#define TESTS_CLI_MODELS_H

#include "tools/flashjit/model/model.h"

/* The model of a choice; a failed assertion when it cannot be read. Valid until the next call. */
const struct model *read_choice(const struct model_choice *choice);
const struct model *read_text(const char *text);

/* That a config of this text is refused, with a message that has the part. */
void expect_refused_config(const char *text, const char *part);

/* The description of a kind of layer; a failed assertion when there is none of that number. */
const struct model_layer *kind_of(const struct model *model, uint32_t number);

/* That there is a note with the part. */
void expect_note(const struct model *model, const char *part);

#endif
