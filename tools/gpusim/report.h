/* The first fault of a launch, as text. */
#ifndef GPUSIM_REPORT_H
#define GPUSIM_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum { SIM_REPORT_BYTES = 2048 };

void sim_report_set(const char *text, bool quiet);
void sim_report_clear(void);

#endif
