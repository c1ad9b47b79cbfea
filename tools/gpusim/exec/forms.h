/* The instructions of this simulator. */
#ifndef GPUSIM_EXEC_FORMS_H
#define GPUSIM_EXEC_FORMS_H

#include "program/form.h"

/* All tables of forms, for the instruction set of this processor. */
struct sim_form_set sim_forms(void);

#endif
